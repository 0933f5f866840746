package main

// heapFloor is never touched, so that it costs address space and no memory. It keeps an enclave that
// serves short requests from collecting garbage every few of them.
//
//lint:ignore U1000 it only has to exist
var heapFloor = make([]byte, 16<<20)

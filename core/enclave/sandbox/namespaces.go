//go:build !valgrind

package sandbox

// Namespaces says whether processes are started in namespaces, where the kernel grants them.
const Namespaces = true

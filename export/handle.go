package main

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/libcape/libcape/capelib"
)

// A handle is a number below 2^53, so that JavaScript can hold it:
//
//	bits 50 to 52  kind, never 0
//	bits 20 to 49  generation of the slot
//	bits  0 to 19  slot in the table
//
// A slot's generations start at a random number and go on by a random odd step, modulo 2^30. An
// odd step visits all 2^30 before it repeats one, so a stale handle stays stale; and neighbouring
// values are no likelier to be valid than any other, as they would be if generations counted up.
const (
	slotBits       = 20
	generationBits = 30
	maxSlots       = 1 << slotBits
	slotMask       = maxSlots - 1
	generationMask = 1<<generationBits - 1
)

// kind says what a handle stands for.
type kind uint64

const (
	connection kind = iota + 1
	localEnclave
	pendingOperation
	completionQueue
)

func (k kind) String() string {
	switch k {
	case connection:
		return "a connection"
	case localEnclave:
		return "a local enclave"
	case pendingOperation:
		return "an operation"
	case completionQueue:
		return "a completion queue"
	}
	return "of no known kind"
}

// object is what a handle can stand for. Close wakes whoever waits on it, and does not block.
type object interface {
	Close() error
}

// entry is an open object. A call that has found it may go on using it when its handle is closed
// meanwhile.
type entry struct {
	kind     kind
	object   object
	poisoned atomic.Bool // a call on it panicked: only closing is left
}

type slot struct {
	generation uint32
	step       uint32
	entry      *entry // nil while the slot is free
}

// table holds the open objects. Its methods are safe for concurrent use and never block for
// longer than it takes to look up a slot. The zero value is an empty table.
type table struct {
	mu    sync.RWMutex
	slots []slot
	free  []uint32
	open  [completionQueue + 1]int // of each kind
}

// handles are the open handles of the process.
var handles table

// add gives an object its handle.
func (t *table) add(k kind, o object) (uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.free) == 0 {
		if len(t.slots) == maxSlots {
			return 0, capelib.NewError("limit.handles", fmt.Sprintf("%d handles are open, which is the most: close some", maxSlots))
		}
		t.free = append(t.free, uint32(len(t.slots)))
		t.slots = append(t.slots, newSlot())
	}
	index := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	s := &t.slots[index]
	s.generation = (s.generation + s.step) & generationMask
	s.entry = &entry{kind: k, object: o}
	t.open[k]++
	return uint64(k)<<(generationBits+slotBits) | uint64(s.generation)<<slotBits | uint64(index), nil
}

func newSlot() slot {
	var seed [8]byte
	rand.Read(seed[:]) // never fails
	return slot{
		generation: binary.LittleEndian.Uint32(seed[:4]) & generationMask,
		step:       binary.LittleEndian.Uint32(seed[4:])&generationMask | 1,
	}
}

// find gives the entry of an open handle of one kind.
func (t *table) find(handle uint64, k kind) (*entry, error) {
	t.mu.RLock()
	s := t.lookup(handle)
	var e *entry
	if s != nil {
		e = s.entry
	}
	t.mu.RUnlock()
	switch {
	case e == nil:
		return nil, unknown()
	case e.kind != k:
		return nil, capelib.NewError("handle.kind", fmt.Sprintf("the handle is %v, and not %v: pass the other one", e.kind, k))
	case e.poisoned.Load():
		return nil, capelib.NewError("panic.recovered", "the library failed inside in an earlier call on this handle: close it, and open another")
	}
	return e, nil
}

// remove takes an open handle of any kind out of the table.
func (t *table) remove(handle uint64) (*entry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.lookup(handle)
	if s == nil {
		return nil, unknown()
	}
	e := s.entry
	s.entry = nil
	t.open[e.kind]--
	t.free = append(t.free, uint32(handle&slotMask))
	return e, nil
}

// isOpen says whether a handle of any kind is open.
func (t *table) isOpen(handle uint64) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.lookup(handle) != nil
}

// openHandles counts the open handles of each kind.
type openHandles struct {
	Connections int `json:"connections"`
	Enclaves    int `json:"enclaves"`
	Operations  int `json:"operations"`
	Queues      int `json:"queues"`
}

func (t *table) count() openHandles {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return openHandles{t.open[connection], t.open[localEnclave], t.open[pendingOperation], t.open[completionQueue]}
}

// lookup gives the slot that a handle names, or nil unless the handle is open.
func (t *table) lookup(handle uint64) *slot {
	index := handle & slotMask
	if index >= uint64(len(t.slots)) {
		return nil
	}
	s := &t.slots[index]
	if s.entry == nil || uint64(s.generation) != handle>>slotBits&generationMask ||
		uint64(s.entry.kind) != handle>>(slotBits+generationBits) {
		return nil
	}
	return s
}

func unknown() error {
	return capelib.NewError("handle.unknown", "the handle is not open: it was closed, or never came from this library")
}

package main

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/libcape/libcape/capelib"
)

type nothing struct{}

func (nothing) Close() error { return nil }

// filled is a table with n open connections.
func filled(t *testing.T, n int) (*table, []uint64) {
	t.Helper()
	var handles table
	open := make([]uint64, n)
	for i := range open {
		open[i] = mustAdd(t, &handles, connection)
	}
	return &handles, open
}

func mustAdd(t *testing.T, handles *table, k kind) uint64 {
	t.Helper()
	handle, err := handles.add(k, nothing{})
	if err != nil {
		t.Fatal(err)
	}
	return handle
}

func wantReason(t *testing.T, err error, reason string) {
	t.Helper()
	var e *capelib.Error
	if !errors.As(err, &e) || e.Reason != reason {
		t.Fatalf("got %v, want reason %s", err, reason)
	}
}

func TestHandlesFitIntoAJavaScriptNumberAndAreNeverZero(t *testing.T) {
	t.Parallel()
	var handles table
	for range 100_000 {
		handle := mustAdd(t, &handles, localEnclave)
		if handle == 0 || handle >= 1<<53 {
			t.Fatalf("handle %#x", handle)
		}
	}
}

func TestTableFindsWhatIsOpen(t *testing.T) {
	t.Parallel()
	handles, open := filled(t, 1000)
	for _, handle := range open {
		if _, err := handles.find(handle, connection); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTableRefusesAHandleOfAnotherKind(t *testing.T) {
	t.Parallel()
	handles, open := filled(t, 1)
	_, err := handles.find(open[0], localEnclave)
	wantReason(t, err, "handle.kind")
}

func TestTableRefusesHandlesWithOneBitFlipped(t *testing.T) {
	t.Parallel()
	handles, open := filled(t, 10_000)
	for _, handle := range open {
		for bit := range 64 {
			if handles.isOpen(handle ^ 1<<bit) {
				t.Fatalf("%#x with bit %d flipped was accepted", handle, bit)
			}
		}
	}
}

func TestTableRefusesRandomHandles(t *testing.T) {
	t.Parallel()
	handles, _ := filled(t, 1000)
	for range 2_500_000 {
		forged := rand.Uint64()
		for _, handle := range []uint64{forged, forged & (1<<53 - 1)} {
			if handles.isOpen(handle) {
				t.Fatalf("%#x was accepted", handle)
			}
		}
	}
	for range 1000 {
		if _, err := handles.remove(rand.Uint64() & (1<<53 - 1)); err == nil {
			t.Fatal("a random handle was closed")
		}
	}
}

func TestTableRefusesStaleHandles(t *testing.T) {
	t.Parallel()
	var handles table
	stale := make([]uint64, 2_000_000)
	for i := range stale {
		stale[i] = mustAdd(t, &handles, connection)
		if _, err := handles.remove(stale[i]); err != nil {
			t.Fatal(err)
		}
	}
	open := mustAdd(t, &handles, connection) // of the same slot
	for _, handle := range stale {
		if handles.isOpen(handle) {
			t.Fatalf("%#x was accepted", handle)
		}
	}
	_, err := handles.remove(stale[len(stale)-1])
	wantReason(t, err, "handle.unknown")
	if _, err := handles.find(open, connection); err != nil {
		t.Fatal(err)
	}
}

func TestTableCountsWhatIsOpen(t *testing.T) {
	t.Parallel()
	var handles table
	for _, k := range []kind{connection, pendingOperation, pendingOperation, completionQueue} {
		mustAdd(t, &handles, k)
	}
	gone := mustAdd(t, &handles, localEnclave)
	if _, err := handles.remove(gone); err != nil {
		t.Fatal(err)
	}
	if got, want := handles.count(), (openHandles{Connections: 1, Operations: 2, Queues: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestAnOddStepVisitsEveryGenerationOnce(t *testing.T) {
	t.Parallel()
	// The period of adding a step modulo 2^30 is 2^30 exactly when the step is odd.
	for range 1000 {
		s := newSlot()
		if s.step&1 == 0 || s.step > generationMask || s.generation > generationMask {
			t.Fatalf("generation %#x, step %#x", s.generation, s.step)
		}
	}
}

func TestTableSaysWhenItIsFull(t *testing.T) {
	t.Parallel()
	handles, open := filled(t, maxSlots)
	_, err := handles.add(connection, nothing{})
	wantReason(t, err, "limit.handles")
	if _, err := handles.remove(open[7]); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, handles, connection)
}

func TestTableHoldsUnderConcurrentUse(t *testing.T) {
	t.Parallel()
	var handles table
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for range 20_000 {
				handle, err := handles.add(connection, nothing{})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := handles.find(handle, connection); err != nil {
					t.Error(err)
				}
				if _, err := handles.remove(handle); err != nil {
					t.Error(err)
				}
				if _, err := handles.find(handle, connection); err == nil {
					t.Errorf("%#x was found after it was removed", handle)
				}
			}
		})
	}
	workers.Wait()
	if len(handles.slots) > 8 {
		t.Errorf("%d slots for 8 workers", len(handles.slots))
	}
}

func TestAHandleIsClosedOnceByOneOfMany(t *testing.T) {
	t.Parallel()
	handles, open := filled(t, 1000)
	closed := make(chan uint64, 4*len(open))
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for _, handle := range open {
				if _, err := handles.remove(handle); err == nil {
					closed <- handle
				}
			}
		})
	}
	workers.Wait()
	if len(closed) != len(open) {
		t.Errorf("%d handles were closed %d times", len(open), len(closed))
	}
}

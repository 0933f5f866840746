package enclave

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

func TestQueueHoldsNoMoreThanItsLimit(t *testing.T) {
	t.Parallel()
	const size, fit, count = 1000, 9, 20
	q := newQueue(fit*size+1, count)
	for i := range count {
		if !q.put(request{data: make([]byte, size)}) {
			t.Fatalf("request %d is refused", i)
		}
	}
	if held := q.held.Load(); held != fit*size {
		t.Fatalf("%d bytes are held", held)
	}
	for i := range count {
		r, _ := q.take()
		if r.dropped != (i >= fit) || r.dropped != (r.data == nil) {
			t.Fatalf("of request %d %d bytes are left, dropped: %v", i, len(r.data), r.dropped)
		}
		q.release(r)
	}
	if held := q.held.Load(); held != 0 {
		t.Fatalf("%d bytes are held when all is answered", held)
	}
	if !q.put(request{data: make([]byte, size)}) || first(q).dropped {
		t.Fatal("a request is dropped though there is room again")
	}
}

// first takes a request that is there.
func first(q *queue) request {
	r, ok := q.take()
	if !ok {
		panic("no request waits")
	}
	return r
}

func TestQueueGivesInTheOrderInWhichItWasGiven(t *testing.T) {
	t.Parallel()
	q := newQueue(1<<20, 1<<10)
	taken := make(chan byte)
	go func() {
		defer close(taken)
		for range 1000 {
			r, ok := q.take()
			for ; !ok; r, ok = q.take() {
				<-q.some
			}
			taken <- r.data[0]
			q.release(r)
		}
	}()
	go func() {
		for i := range 1000 {
			q.put(request{data: []byte{byte(i)}})
		}
	}()
	next := byte(0)
	for number := range taken {
		if number != next {
			t.Fatalf("request %d comes where %d should", number, next)
		}
		next++
	}
	if _, ok := q.take(); ok {
		t.Error("a request is there twice")
	}
}

func TestQueueTakesNoMoreRequestsThanItsLength(t *testing.T) {
	t.Parallel()
	q := newQueue(1, 2)
	for _, r := range []request{{data: make([]byte, 1)}, {data: make([]byte, 1)}} {
		if !q.put(r) {
			t.Fatal("a request within the length is refused")
		}
	}
	if q.put(request{}) {
		t.Fatal("one request more than the length is taken")
	}
	q.release(first(q))
	if !q.put(request{}) {
		t.Fatal("a request is refused though there is room again")
	}
}

func TestAnUploadThatNobodyTakesIsGivenUp(t *testing.T) {
	t.Parallel()
	e := &Enclave{scratch: t.TempDir()}
	var files []*os.File
	q := newQueue(100, 10)
	for range 3 {
		u, err := e.newUpload(strings.NewReader("a function"))
		if err != nil {
			t.Fatal(err)
		}
		if content, err := io.ReadAll(u.reader()); err != nil || string(content) != "a function" {
			t.Errorf("%q, %v", content, err)
		}
		files = append(files, u.file)
		q.put(request{upload: u})
	}
	q.release(first(q))
	q.drain()
	for _, file := range files {
		if _, err := file.Stat(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("its file is still open: %v", err)
		}
	}
	if left, err := os.ReadDir(e.scratch); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

package enclave

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestQueueHoldsNoMoreThanItsLimit(t *testing.T) {
	t.Parallel()
	const limit = 10_000
	q := newQueue(limit)
	put := make(chan int)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; q.put(ctx, request{data: make([]byte, 1000)}); i++ {
			put <- i
		}
	}()
	accepted := 0
	for open := true; open; {
		select {
		case <-put:
			accepted++
		case <-time.After(100 * time.Millisecond):
			open = false
		}
	}
	if held := q.held.Load(); held > limit || accepted != limit/(1000+queueCost) {
		t.Fatalf("%d requests of %d bytes were taken", accepted, held)
	}
	q.release(<-q.requests)
	<-put // room for one more
	cancel()
	<-ended
}

func TestQueueTakesASingleRequestOfAnySize(t *testing.T) {
	t.Parallel()
	q := newQueue(10)
	big := request{data: make([]byte, 1000)}
	if !q.put(t.Context(), big) {
		t.Fatal("it is refused")
	}
	q.release(<-q.requests)
	if !q.put(t.Context(), big) || q.held.Load() != big.cost() {
		t.Fatal("a second one, after the first was answered, is refused")
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	e, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	e.connections.Store(maxConnections)
	if status := statusOf(e); status != 0 {
		t.Errorf("a connection over the limit is answered with %d", status)
	}
	e.connections.Store(0)
	if status := statusOf(e); status != 404 {
		t.Errorf("a connection within the limit is answered with %d", status)
	}
}

// statusOf asks for the root of the server; 0 when there is no answer.
func statusOf(e *Enclave) int {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http" + strings.TrimPrefix(e.Info().URL, "ws"))
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}

package enclave_test

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libcape/libcape/core/transport"
)

// TestEveryAnswerToACrowdIsRight has 200 connections with CAPE_SOAK, else few.
func TestEveryAnswerToACrowdIsRight(t *testing.T) {
	connections, invokes := 12, 20
	if os.Getenv("CAPE_SOAK") != "" {
		connections, invokes = 200, 50
	}
	e := start(t, folder(t, "counter"))
	clients := make([]*client, connections)
	began := time.Now()
	for i := range clients {
		clients[i] = connect(t, e)
	}
	connected := time.Since(began)
	var group sync.WaitGroup
	took := make([][]time.Duration, connections)
	for i, c := range clients {
		group.Add(1)
		transport.Spawn(func() {
			defer group.Done()
			for n := 1; n <= invokes; n++ {
				began := time.Now()
				c.request(nil)
				result, err := c.reply()
				if want := fmt.Sprintf("%d %d", n, n); err != nil || string(result.Output) != want {
					t.Errorf("connection %d: %q, %v, want %q", i, result.Output, err, want)
					return
				}
				took[i] = append(took[i], time.Since(began))
			}
		}, func(value any) { t.Error(value) })
	}
	group.Wait()
	all := slices.Concat(took...)
	slices.Sort(all)
	if len(all) > 0 {
		t.Logf("%d connections in %v; %d invokes in %v: half within %v, 99 %% within %v; with the first of each connection, which waits for its interpreter",
			connections, connected, len(all), time.Since(began), all[len(all)/2], all[len(all)*99/100])
	}
}

package enclave

import (
	"testing"
	"time"
)

func TestCloseDoesNotWaitForARemovalThatTakesLong(t *testing.T) {
	t.Parallel()
	e, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	e.scratch = t.TempDir()
	release, removed := make(chan struct{}), make(chan string, 1)
	e.remove = func(folder string) error {
		<-release
		removed <- folder
		return nil
	}
	stuck := time.AfterFunc(20*time.Second, func() { close(release) })
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if !stuck.Stop() {
		t.Fatal("it waits for the removal")
	}
	close(release)
	if folder := <-removed; folder != e.scratch {
		t.Errorf("in the background %s is removed", folder)
	}
}

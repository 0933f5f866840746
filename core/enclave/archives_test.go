package enclave

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSessionsShareAnArchiveWhichIsRemovedAfterTheLast(t *testing.T) {
	t.Parallel()
	content := []byte("a zip")
	sum := sha256.Sum256(content)
	a := &archives{folder: t.TempDir(), linger: time.Millisecond, opened: map[string]*archive{}}
	opened := 0
	open := func() ([]byte, func(), error) {
		opened++
		return bytes.Clone(content), func() {}, nil
	}
	var releases []func()
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			path, release, err := a.acquire(t.Context(), "f", sum, open)
			if err != nil {
				t.Error(err)
				return
			}
			if kept, err := os.ReadFile(path); err != nil || !bytes.Equal(kept, content) {
				t.Errorf("%q, %v", kept, err)
			}
			mu.Lock()
			defer mu.Unlock()
			releases = append(releases, release)
		})
	}
	all.Wait()
	if opened != 1 {
		t.Errorf("it was opened %d times", opened)
	}
	last := releases[0]
	for _, release := range releases[1:] {
		release()
		release() // once is enough
	}
	left := func() int {
		entries, err := os.ReadDir(a.folder)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	a.mu.Lock()
	if kept := a.opened["f"]; kept.timer != nil || kept.users != 1 {
		t.Errorf("it is about to be removed while %d sessions have it", kept.users)
	}
	a.mu.Unlock()
	last()
	for deadline := time.Now().Add(time.Minute); left() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is left behind")
		}
	}
	if _, release, err := a.acquire(t.Context(), "f", sum, open); err != nil || opened != 2 {
		t.Errorf("opened %d times, %v", opened, err)
	} else {
		release()
	}
}

func TestAnArchiveThatCannotBeOpenedIsTriedAgain(t *testing.T) {
	t.Parallel()
	a := &archives{folder: t.TempDir(), linger: time.Minute, opened: map[string]*archive{}}
	sum := sha256.Sum256([]byte("a zip"))
	if _, _, err := a.acquire(t.Context(), "f", sum, func() ([]byte, func(), error) { return nil, nil, errors.New("not now") }); err == nil || err.Error() != "not now" {
		t.Error(err)
	}
	if _, _, err := a.acquire(t.Context(), "f", sum, func() ([]byte, func(), error) { return []byte("another zip"), func() {}, nil }); err == nil || !strings.Contains(err.Error(), "not the one") {
		t.Errorf("what was not deployed is taken: %v", err)
	}
	path, release, err := a.acquire(t.Context(), "f", sum, func() ([]byte, func(), error) { return []byte("a zip"), func() {}, nil })
	if err != nil {
		t.Fatal(err)
	}
	release()
	a.close()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("it does not linger: %v", err)
	}
}

// TestASessionThatEndsSpoilsNoArchiveForOthers has a first session give up while it opens a zip for
// which a second one waits.
func TestASessionThatEndsSpoilsNoArchiveForOthers(t *testing.T) {
	t.Parallel()
	content := []byte("a zip")
	a := &archives{folder: t.TempDir(), linger: time.Minute, opened: map[string]*archive{}}
	first, giveUp := context.WithCancel(t.Context())
	begun := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		_, _, err := a.acquire(first, "f", sha256.Sum256(content), func() ([]byte, func(), error) {
			close(begun)
			<-first.Done()
			return nil, nil, first.Err()
		})
		ended <- err
	}()
	<-begun
	third, leave := context.WithCancel(t.Context())
	leave()
	if _, _, err := a.acquire(third, "f", sha256.Sum256(content), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a session that has ended waits: %v", err)
	}
	go func() {
		for { // until the second waits
			a.mu.Lock()
			users := a.opened["f"].users
			a.mu.Unlock()
			if users == 2 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		giveUp()
	}()
	path, release, err := a.acquire(t.Context(), "f", sha256.Sum256(content), func() ([]byte, func(), error) {
		return content, func() {}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if kept, err := os.ReadFile(path); err != nil || !bytes.Equal(kept, content) {
		t.Errorf("%q, %v", kept, err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the first session has %v", err)
	}
}

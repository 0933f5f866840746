package enclave

import (
	"bytes"
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
			path, release, err := a.acquire("f", sum, open)
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
	if _, release, err := a.acquire("f", sum, open); err != nil || opened != 2 {
		t.Errorf("opened %d times, %v", opened, err)
	} else {
		release()
	}
}

func TestAnArchiveThatCannotBeOpenedIsTriedAgain(t *testing.T) {
	t.Parallel()
	a := &archives{folder: t.TempDir(), linger: time.Minute, opened: map[string]*archive{}}
	sum := sha256.Sum256([]byte("a zip"))
	if _, _, err := a.acquire("f", sum, func() ([]byte, func(), error) { return nil, nil, errors.New("not now") }); err == nil || err.Error() != "not now" {
		t.Error(err)
	}
	if _, _, err := a.acquire("f", sum, func() ([]byte, func(), error) { return []byte("another zip"), func() {}, nil }); err == nil || !strings.Contains(err.Error(), "not the one") {
		t.Errorf("what was not deployed is taken: %v", err)
	}
	path, release, err := a.acquire("f", sum, func() ([]byte, func(), error) { return []byte("a zip"), func() {}, nil })
	if err != nil {
		t.Fatal(err)
	}
	release()
	a.close()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("it does not linger: %v", err)
	}
}

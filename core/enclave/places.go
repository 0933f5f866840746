package enclave

import (
	"net/http"
	"sync"
)

// places are for users who do something at once. One user has some of them at most, and can then
// not shut out the others.
type places struct {
	most, mostOfOne int
	refusal         string // of whom there is no place for

	mu    sync.Mutex
	taken int
	of    map[string]int // by user
}

func newPlaces(most, mostOfOne int, refusal string) *places {
	return &places{most: most, mostOfOne: mostOfOne, refusal: refusal, of: map[string]int{}}
}

// enter takes a place, if there is one for the user.
func (p *places) enter(user string) (leave func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken >= p.most || p.of[user] >= p.mostOfOne {
		return nil, &Refusal{http.StatusServiceUnavailable, p.refusal}
	}
	p.taken++
	p.of[user]++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.taken--
		if p.of[user]--; p.of[user] == 0 {
			delete(p.of, user)
		}
	}), nil
}

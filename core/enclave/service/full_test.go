package service_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/enclave/service"
	"github.com/libcape/libcape/core/enclave/store"
	"github.com/libcape/libcape/core/wire"
)

// fullStore has no room for more.
type fullStore struct{ store.Store }

func (fullStore) AddFunction(store.Function, io.Reader) error {
	return fmt.Errorf("%w: SECRET path", store.ErrFull)
}
func (fullStore) AddToken(store.Token) error { return fmt.Errorf("%w: SECRET path", store.ErrFull) }

func TestAFullDiskIsToldToTheCaller(t *testing.T) {
	t.Parallel()
	kept, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	s, err := service.New(service.Options{Store: fullStore{kept}})
	if err != nil {
		t.Fatal(err)
	}
	_, deployErr := s.Deploy(t.Context(), enclave.Caller{User: "ada"}, enclave.Deployment{})
	_, tokenErr := s.CreateToken("ada", wire.TokenRequest{})
	for _, err := range []error{deployErr, tokenErr} {
		var refusal *enclave.Refusal
		if !errors.As(err, &refusal) || refusal.Status != http.StatusInsufficientStorage || *refusal != *enclave.NoRoom() {
			t.Error(err)
		}
	}
}

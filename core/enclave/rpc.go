package enclave

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/libcape/libcape/core/capekey"
	"github.com/libcape/libcape/core/transport"
)

const (
	// rpcSocket lies beside a function's working directory.
	rpcSocket   = "rpc.sock"
	rpcRequest  = 16 << 20 // bytes of a request
	rpcAtOnce   = 2        // requests of one function that are answered at once
	rpcPatience = 30 * time.Second
	// longestAddress is how long the path of a socket may be, less what closes it.
	longestAddress = 100
)

// rpc answers a function that wants something encrypted or decrypted with its owner's Cape key, as
// the package cape_encrypt does: one JSON-RPC 1.0 request for each connection to a Unix socket.
type rpc struct {
	listener *net.UnixListener
	enclave  *Enclave
	spent    atomic.Int64 // nanoseconds that answering took in this call of the function
}

// listenRPC makes the socket in a worker's folder. Nothing is answered before serve.
func (e *Enclave) listenRPC(folder string) (*rpc, error) {
	path := filepath.Join(folder, rpcSocket)
	address := path
	if len(path) > longestAddress { // by way of a descriptor it is short
		open, err := os.Open(folder)
		if err != nil {
			return nil, err
		}
		defer open.Close()
		address = fmt.Sprintf("/proc/self/fd/%d/%s", open.Fd(), rpcSocket)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: address, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("the socket of a function cannot be made: %w", err)
	}
	listener.SetUnlinkOnClose(false) // it goes with its folder
	if err := os.Chmod(path, 0o666); err != nil {
		_ = listener.Close()
		return nil, err
	}
	return &rpc{listener: listener, enclave: e}, nil
}

// serve answers until close, with the key of this owner.
func (r *rpc) attend(ctx context.Context, owner string, log *slog.Logger) {
	transport.Spawn(func() {
		room := make(chan struct{}, rpcAtOnce)
		for {
			room <- struct{}{}
			conn, err := r.listener.Accept()
			if err != nil {
				return
			}
			transport.Spawn(func() {
				defer func() { <-room }()
				defer conn.Close()
				defer transport.SpawnWhenDone(ctx, func() { _ = conn.Close() }, nil)()
				if err := r.answer(ctx, conn, owner); err != nil {
					log.Debug("a request of the function is not answered", "error", err)
				}
			}, r.enclave.panicked)
		}
	}, r.enclave.panicked)
}

// renew begins another call of the function.
func (r *rpc) renew() { r.spent.Store(0) }

func (r *rpc) close() { _ = r.listener.Close() }

type rpcCall struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params [2]*string      `json:"params"` // of a longer list, which takes much memory, the rest is left out
}

type rpcReply struct {
	ID     json.RawMessage `json:"id"`
	Result any             `json:"result"`
	Error  any             `json:"error"`
}

func (r *rpc) answer(ctx context.Context, conn net.Conn, owner string) error {
	began := time.Now()
	defer func() { r.spent.Add(int64(time.Since(began))) }()
	_ = conn.SetDeadline(began.Add(rpcPatience))
	var call rpcCall
	if err := json.NewDecoder(io.LimitReader(conn, rpcRequest)).Decode(&call); err != nil {
		return errors.New("it is no JSON-RPC, or too large")
	}
	reply := rpcReply{ID: call.ID}
	result, err := r.run(ctx, call, owner)
	if err == nil {
		reply.Result = result
	} else {
		reply.Error = r.enclave.toldOf(err)
	}
	text, err := json.Marshal(reply)
	if err != nil {
		return err
	}
	_, err = transport.Quiet(conn).Write(text) // in one piece: the client looks once
	return err
}

func (r *rpc) run(ctx context.Context, call rpcCall, owner string) (string, error) {
	if call.Params[0] == nil || call.Params[1] != nil {
		return "", told("a request has one parameter")
	}
	if limit := r.enclave.options.Limits.CPU; time.Duration(r.spent.Load()) > limit { // a key's work is more than a request's
		return "", told(fmt.Sprintf("the function's requests took more than %v of processor time for one call", limit))
	}
	parameter := *call.Params[0]
	key, err := r.enclave.service.Key(ctx, owner)
	if err != nil {
		return "", err
	}
	switch call.Method {
	case "CapeEncryptRPC.Encrypt":
		plain, err := base64.StdEncoding.Strict().DecodeString(parameter)
		if err != nil {
			return "", told("what is to be encrypted is not base64")
		}
		public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			return "", err
		}
		sealed, err := capekey.EncryptText(public, plain)
		return string(sealed), err
	case "CapeEncryptRPC.Decrypt":
		plain, err := capekey.Decrypt(key, []byte(parameter))
		return base64.StdEncoding.EncodeToString(plain), err
	}
	return "", told("no such method: there are CapeEncryptRPC.Encrypt and CapeEncryptRPC.Decrypt")
}

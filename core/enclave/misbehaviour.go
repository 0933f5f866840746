package enclave

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"time"

	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

const (
	slowness = 2 * time.Second
	hugeSize = 1 << 30 // bytes of the huge reply
)

// sendDocument sends the answer to the nonce, or what a fault puts in its place, and reports
// whether the session goes on.
func (s *session) sendDocument(ctx context.Context, frame []byte) bool {
	e, kind := s.enclave, transport.Text
	switch {
	case e.faulty(StartDropped):
		_ = s.conn.Close()
		return false
	case e.faulty(SilentStart):
		return s.fallSilent(ctx)
	case e.faulty(StartNotJSON):
		frame = []byte("this is not JSON")
	case e.faulty(StartNoMessage):
		frame = []byte(`{"note":"a reply without the member that it is for"}`)
	case e.faulty(StartNotBase64):
		frame = []byte(`{"message":{"type":"attestation_doc","message":"*not base64*"}}`)
	case e.faulty(StartError):
		frame = wire.EncodeError("the fault start_error is set")
	case e.faulty(StartBinary):
		kind = transport.Binary
	}
	if e.faulty(StartError) {
		_ = s.write(kind, frame)
		s.conn.CloseWith(closeNormal, "")
		return false
	}
	return s.writeAndStay(kind, frame)
}

// sendReply sends the reply to a request, or what a fault puts in its place, and reports
// whether the session goes on.
func (s *session) sendReply(ctx context.Context, frame []byte) bool {
	e, kind := s.enclave, transport.Text
	switch {
	case e.faulty(NoReply):
		return true
	case e.faulty(TruncatedFrame):
		_, _ = s.below.Write(textFrame(uint64(len(frame)), frame[:len(frame)/2]))
		_ = s.conn.Close()
		return false
	case e.faulty(HugeReply):
		return s.sendHuge()
	case e.faulty(ReplyNotJSON):
		frame = []byte("this is not JSON")
	case e.faulty(ReplyNoMessage):
		frame = []byte(`{"message":{"type":"function_result"}}`)
	case e.faulty(ReplyNotBase64):
		frame = []byte(`{"message":{"type":"function_result","message":"*not base64*"}}`)
	case e.faulty(ReplyError):
		frame = wire.EncodeError("the fault reply_error is set")
	case e.faulty(ReplyBinary):
		kind = transport.Binary
	}
	if e.faulty(SlowReply) {
		timer := time.NewTimer(slowness)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
	}
	return s.writeAndStay(kind, frame)
}

// fallSilent reads until the client gives up, and answers nothing but pings.
func (s *session) fallSilent(ctx context.Context) bool {
	if s.claim != nil { // somebody else reads
		<-ctx.Done()
		return false
	}
	for {
		if _, _, err := s.conn.Read(); err != nil {
			return false
		}
	}
}

// writeAndStay sends a message and reports whether the session goes on. Whether it does is
// settled before: who has read the message may change the faults.
func (s *session) writeAndStay(kind transport.Kind, frame []byte) bool {
	stays := !s.enclave.faulty(IdleDropped)
	if s.write(kind, frame) != nil {
		return false
	}
	if !stays {
		_ = s.conn.Close()
	}
	return stays
}

// sendHuge sends a well-formed reply of hugeSize bytes in one frame, for as long as the client
// takes it.
func (s *session) sendHuge() bool {
	head := []byte(`{"message":{"type":"function_result","message":"`)
	tail := []byte(`"}}`)
	body := (hugeSize - len(head) - len(tail)) / 4 * 4 // base64 has its length in fours
	if _, err := s.below.Write(textFrame(uint64(len(head)+body+len(tail)), head)); err != nil {
		return false
	}
	chunk := bytes.Repeat([]byte("A"), 64<<10)
	for left := body; left > 0; left -= len(chunk) {
		if _, err := s.below.Write(chunk[:min(left, len(chunk))]); err != nil {
			return false
		}
	}
	_, err := s.below.Write(tail)
	return err == nil
}

// textFrame is the beginning of an unmasked text frame of the given size (RFC 6455 section
// 5.2), with as much of its payload as is given.
func textFrame(size uint64, payload []byte) []byte {
	const finText, length16, length64 = 0x81, 126, 127
	frame := []byte{finText}
	switch {
	case size < length16:
		frame = append(frame, byte(size))
	case size <= math.MaxUint16:
		frame = binary.BigEndian.AppendUint16(append(frame, length16), uint16(size))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, length64), size)
	}
	return append(frame, payload...)
}

package store

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// journal is a file of records, to which one is added for each change. A record is the length of
// its content and the CRC-32C of it, in 4 bytes each, big-endian, then the content. Whoever dies in
// the middle of adding leaves an incomplete record at the end, which is cut off by the next to open
// the file.
type journal struct {
	file   *os.File
	size   int64 // bytes of complete records
	broken error // after which nothing is added any more
}

const (
	recordHeader = 8
	maxRecord    = 1 << 20 // bytes of content
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encodeRecord puts the header in front of a content.
func encodeRecord(content []byte) []byte {
	record := binary.BigEndian.AppendUint32(nil, uint32(len(content)))
	record = binary.BigEndian.AppendUint32(record, crc32.Checksum(content, castagnoli))
	return append(record, content...)
}

// openJournal reads all records, each of which goes to replay, and makes the file ready for more.
func openJournal(path string, replay func(content []byte) error) (*journal, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{file: file}
	if err := j.replay(replay); err != nil {
		_ = file.Close()
		return nil, err
	}
	j.keepPrivate()
	return j, nil
}

// keepPrivate takes from everybody else the right to read the file, which a copy of the folder may have
// given them. Where the file belongs to another user, that is not possible.
func (j *journal) keepPrivate() {
	if info, err := j.file.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 {
		_ = j.file.Chmod(0o600)
	}
}

func (j *journal) replay(replay func(content []byte) error) error {
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	from := bufio.NewReaderSize(j.file, 1<<16)
	for {
		content, err := readRecord(from)
		if errors.Is(err, errIncomplete) {
			if rest, err := j.recordAfter(info.Size()); err != nil || rest {
				return fmt.Errorf("the journal is damaged at byte %d: restore it from a copy (%w)", j.size, errors.Join(errIncomplete, err))
			}
			if j.size == 0 && !j.isBegun() {
				return fmt.Errorf("its file %s is not an enclave's: name another folder", journalName)
			}
			return j.cut(info.Size())
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := replay(content); err != nil {
			return fmt.Errorf("the journal's record at byte %d: %w", j.size, err)
		}
		j.size += int64(recordHeader + len(content))
	}
}

// errIncomplete says that what follows is no complete record.
var errIncomplete = errors.New("there is no complete record")

func readRecord(from io.Reader) ([]byte, error) {
	var header [recordHeader]byte
	switch _, err := io.ReadFull(from, header[:]); {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errIncomplete
	case err != nil:
		return nil, err
	}
	size := binary.BigEndian.Uint32(header[:])
	if size == 0 || size > maxRecord {
		return nil, errIncomplete
	}
	content := make([]byte, size)
	switch _, err := io.ReadFull(from, content); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errIncomplete
	case err != nil:
		return nil, err
	}
	if crc32.Checksum(content, castagnoli) != binary.BigEndian.Uint32(header[4:]) {
		return nil, errIncomplete
	}
	return content, nil
}

// recordAfter reports whether a complete record follows the incomplete one at j.size: then that one
// was complete once, and has been damaged since. A record is at most that far away, and what dies
// in the middle of adding leaves one incomplete record.
func (j *journal) recordAfter(end int64) (bool, error) {
	rest := make([]byte, min(end-j.size, 2*(recordHeader+maxRecord)))
	if _, err := j.file.ReadAt(rest, j.size); err != nil {
		return false, err
	}
	for at := 1; at+recordHeader < len(rest); at++ {
		if rest[at+recordHeader] != '{' {
			continue // contents are JSON objects
		}
		if _, err := readRecord(bytes.NewReader(rest[at:])); err == nil {
			return true, nil
		}
	}
	return false, nil
}

// isBegun reports whether a file without any complete record may be a journal, of which the first
// record was being added. Lengths begin with a zero byte, and no text does.
func (j *journal) isBegun() bool {
	var first [1]byte
	_, err := j.file.ReadAt(first[:], 0)
	return err == nil && first[0] == 0
}

// cut takes away what is behind the last complete record.
func (j *journal) cut(end int64) error {
	if end == j.size {
		return nil
	}
	if err := j.file.Truncate(j.size); err != nil {
		return err
	}
	return j.file.Sync()
}

// add returns when the content is on the disk.
func (j *journal) add(content []byte) error {
	if j.broken != nil {
		return j.broken
	}
	if len(content) > maxRecord {
		return fmt.Errorf("a record of %d bytes: the journal takes at most %d", len(content), maxRecord)
	}
	record := encodeRecord(content)
	if _, err := j.file.WriteAt(record, j.size); err != nil {
		if cutErr := j.file.Truncate(j.size); cutErr != nil {
			j.broken = fmt.Errorf("the journal cannot be written: %w", errors.Join(err, cutErr))
		}
		return told(err)
	}
	if err := j.file.Sync(); err != nil {
		// What is on the disk is not known, and a second sync would not tell.
		j.broken = fmt.Errorf("the journal cannot be written: %w", told(err))
		return j.broken
	}
	j.size += int64(len(record))
	return nil
}

func (j *journal) close() error { return j.file.Close() }

// writeFile puts a file with this content in place, or leaves what is there. It returns when both
// the content and the name are on the disk.
func writeFile(path string, content io.Reader) error {
	folder := filepath.Dir(path)
	file, err := os.CreateTemp(folder, temporary+"*")
	if err != nil {
		return told(err)
	}
	if content != nil {
		_, err = io.Copy(file, content)
	}
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return told(err)
	}
	return syncFolder(folder)
}

// syncFolder brings the names in a folder to the disk.
func syncFolder(folder string) error {
	open, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer open.Close()
	return open.Sync()
}

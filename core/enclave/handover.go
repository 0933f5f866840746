//go:build unix

package enclave

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"path/filepath"
)

// receive gives the worker its function, file by file, as worker.py describes.
func (w *worker) receive(archive string) error {
	into := bufio.NewWriterSize(w.channel, 64<<10)
	err := eachFile(archive, func(file *zip.File, name string) error { return handOver(into, file, name) })
	if err != nil {
		return fmt.Errorf("hand over the function: %w", err)
	}
	_, _ = into.Write(make([]byte, 4))
	if err := into.Flush(); err != nil {
		return fmt.Errorf("hand over the function: %w", w.cause(err))
	}
	return nil
}

func handOver(into io.Writer, file *zip.File, name string) error {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("it would lie outside of the function's folder")
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(len(name)))
	header = append(header, name...)
	header = binary.BigEndian.AppendUint64(header, file.UncompressedSize64)
	if _, err := into.Write(header); err != nil {
		return err
	}
	content, err := file.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	_, err = io.CopyN(into, content, int64(file.UncompressedSize64))
	return err
}

package capelib

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/libcape/libcape/core/wire"
)

// source is a function as it lies on the disk: a folder, or a zip.
type source struct {
	name    string // of the folder or file
	size    int64  // bytes that are read when it is written
	folder  *os.Root
	archive *os.File
}

func unfit(path, why string) error {
	return NewError("argument.deployment", fmt.Sprintf("%s cannot be deployed: %s", path, why))
}

// openSource examines a folder or a zip, and refuses what no enclave would take.
func openSource(path string) (*source, error) {
	if path == "" {
		return nil, NewError("argument.deployment", "nothing to deploy was named: give a folder with an app.py, or a zip of one")
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, unfit(path, err.Error())
	}
	info, err := os.Stat(absolute)
	if err != nil {
		return nil, unfit(path, "it is not there, or may not be read: give a folder with an app.py, or a zip of one")
	}
	s := &source{name: filepath.Base(absolute)}
	switch {
	case info.IsDir():
		if s.folder, err = os.OpenRoot(absolute); err == nil {
			s.size, err = wire.MeasureFunction(s.folder.FS())
		}
	case info.Mode().IsRegular():
		s.size = info.Size()
		if s.archive, err = os.Open(absolute); err == nil {
			err = wire.CheckFunctionZip(s.archive, s.size)
		}
	default:
		err = fmt.Errorf("it is neither a folder nor a zip: give a folder with an app.py, or a zip of one")
	}
	if err != nil {
		s.close()
		return nil, unfit(path, err.Error())
	}
	return s, nil
}

func (s *source) close() {
	if s.folder != nil {
		_ = s.folder.Close()
	}
	if s.archive != nil {
		_ = s.archive.Close()
	}
}

// functionName is what the function is called if nobody says otherwise.
func (s *source) functionName() string {
	name, _, _ := strings.Cut(s.name, ".")
	return name
}

// write writes the zip: of a folder by the rules of the checksum, of a zip as it is. read is told
// how many bytes of the source were read.
func (s *source) write(w io.Writer, read func(int)) error {
	if s.archive != nil {
		_, err := io.Copy(w, countingReader{io.NewSectionReader(s.archive, 0, s.size), read})
		return err
	}
	return wire.WriteFunctionZip(w, countingFS{s.folder.FS(), read}, s.name)
}

// countingReader tells how many bytes are read.
type countingReader struct {
	io.Reader
	read func(int)
}

func (c countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read(n)
	return n, err
}

// countingFS is a folder that tells how many bytes are read of its files.
type countingFS struct {
	fs.FS
	read func(int)
}

func (c countingFS) Open(name string) (fs.File, error) {
	file, err := c.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return countingFile{file, c.read}, nil
}

// Stat and ReadDir open no file: opening a pipe would wait for a writer.
func (c countingFS) Stat(name string) (fs.FileInfo, error)      { return fs.Stat(c.FS, name) }
func (c countingFS) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(c.FS, name) }
func (c countingFS) ReadLink(name string) (string, error)       { return fs.ReadLink(c.FS, name) }
func (c countingFS) Lstat(name string) (fs.FileInfo, error)     { return fs.Lstat(c.FS, name) }

type countingFile struct {
	fs.File
	read func(int)
}

func (c countingFile) Read(p []byte) (int, error) {
	n, err := c.File.Read(p)
	c.read(n)
	return n, err
}

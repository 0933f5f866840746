package enclave

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
)

// executableImage is the running executable, even if its file was replaced or removed since.
const executableImage = "/proc/self/exe"

// imagePath is the file that this code was mapped from: inside a host such as an interpreter
// that is the library and not the host's executable.
func imagePath() (string, error) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return "", err
	}
	defer maps.Close()
	executable, _ := os.Readlink(executableImage)
	return mappedImage(maps, uint64(reflect.ValueOf(measure).Pointer()), executable)
}

// mappedImage finds the file that is mapped at an address in the lines of /proc/self/maps.
func mappedImage(maps io.Reader, address uint64, executable string) (string, error) {
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var start, end, offset, inode uint64
		var mode, device string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s %x %s %d", &start, &end, &mode, &offset, &device, &inode); err != nil {
			continue
		}
		if address < start || address >= end {
			continue
		}
		_, path, found := strings.Cut(lines.Text(), "/")
		if !found {
			return "", errors.New("its code is mapped from no file")
		}
		return existingImage("/"+path, executable)
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	return "", errors.New("its code is in no mapping of /proc/self/maps")
}

// existingImage is where a mapped file can still be read. One that has no name any more, as when
// an upgrade puts another in its place, can be read only if it is the executable.
func existingImage(path, executable string) (string, error) {
	if path == executable {
		return executableImage, nil
	}
	loaded, deleted := strings.CutSuffix(path, " (deleted)")
	if !deleted {
		return path, nil
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil // that is its name
	}
	return "", fmt.Errorf("%s was replaced or removed after it was loaded: restart the program", loaded)
}

package enclave

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
)

// imagePath is the file that this code was mapped from: inside a host such as an interpreter
// that is the library and not the host's executable.
func imagePath() (string, error) {
	address := uint64(reflect.ValueOf(measure).Pointer())
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return "", err
	}
	defer maps.Close()
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
		return existingImage("/" + path), nil
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	return "", errors.New("its code is in no mapping of /proc/self/maps")
}

// existingImage gives an executable that was deleted or replaced while it runs the name under
// which the kernel still has it.
func existingImage(path string) string {
	const executable = "/proc/self/exe"
	if target, err := os.Readlink(executable); err == nil && target == path {
		return executable
	}
	return path
}

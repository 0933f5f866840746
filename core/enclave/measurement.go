package enclave

import (
	"crypto/sha512"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

const (
	pcrCount = 16
	pcrSize  = sha512.Size384
)

// measure returns the platform configuration registers of this program, in the meaning that AWS
// gives them: PCR0 is the image (here the file that holds this code), PCR1 what it runs on (the
// toolchain and the platform), PCR2 the application (the image and the modules it was built
// from). The others are zero, as on an enclave without signed image and instance role.
func measure() (map[int][]byte, error) {
	image, err := measureImage()
	if err != nil {
		return nil, err
	}
	platform := sha512.Sum384(fmt.Appendf(nil, "%s %s/%s %s", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.Compiler))
	application := sha512.Sum384(fmt.Appendf(nil, "%x\n%s", image, buildModules()))
	pcrs := make(map[int][]byte, pcrCount)
	for i := range pcrCount {
		pcrs[i] = make([]byte, pcrSize)
	}
	pcrs[0], pcrs[1], pcrs[2] = image, platform[:], application[:]
	return pcrs, nil
}

func measureImage() ([]byte, error) {
	path, err := imagePath()
	if err != nil {
		return nil, fmt.Errorf("the enclave's program cannot be measured: %w", err)
	}
	image, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the enclave's program cannot be measured: %w", err)
	}
	defer image.Close()
	digest := sha512.New384()
	if _, err := io.Copy(digest, image); err != nil {
		return nil, fmt.Errorf("the enclave's program cannot be measured: %w", err)
	}
	return digest.Sum(nil), nil
}

// buildModules names the main module and its dependencies, one on each line, as far as the
// build recorded them.
func buildModules() string {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var text strings.Builder
	line := func(m *debug.Module) {
		for ; m != nil; m = m.Replace {
			fmt.Fprintf(&text, "%s %s %s\n", m.Path, m.Version, m.Sum)
		}
	}
	line(&build.Main)
	for _, module := range build.Deps {
		line(module)
	}
	return text.String()
}

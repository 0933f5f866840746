//go:build !linux

package enclave

import "os"

func imagePath() (string, error) { return os.Executable() }

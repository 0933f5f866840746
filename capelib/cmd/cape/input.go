package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/libcape/libcape/capelib"
)

// inputFlags say where the input of a function comes from.
type inputFlags struct{ file string }

func (i *inputFlags) register(command *cobra.Command) {
	command.Flags().StringVarP(&i.file, "file", "f", "", "read the input from `FILE`; - is standard input")
}

// read gives the input: the one argument that there may be, or a file's content. - is standard
// input in both. missing says what to give where there is neither.
func (i *inputFlags) read(args []string, missing string) ([]byte, error) {
	name := i.file
	switch {
	case len(args) == 1 && name != "":
		return nil, usagef("give INPUT or -f, not both")
	case len(args) == 1 && args[0] == "-":
		name = "-"
	case len(args) == 1:
		return []byte(args[0]), nil
	case name == "":
		return nil, usagef("the input is missing: %s", missing)
	}
	file := os.Stdin
	if name != "-" {
		opened, err := os.Open(name)
		if err != nil {
			return nil, usagef("the input %s cannot be read: %v", name, because(err))
		}
		defer opened.Close()
		file = opened
	}
	input, err := io.ReadAll(io.LimitReader(file, capelib.MaxInput+1))
	if err != nil {
		return nil, usagef("the input %s cannot be read: %v", name, because(err))
	}
	if len(input) > capelib.MaxInput {
		return nil, capelib.NewError("limit.input", fmt.Sprintf("the input has more than %d bytes, which is the limit", capelib.MaxInput))
	}
	return input, nil
}

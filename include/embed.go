// Package include carries the C header. It exists so that the build cache notices a changed
// header: cgo does not look at files outside its own folder, but a package that imports this one
// is built again when the header changes.
package include

import _ "embed"

// Header is the text of cape.h.
//
//go:embed cape.h
var Header string

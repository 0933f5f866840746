package serdio

const (
	maxInner = 511
	maxTotal = 1024
)

// level counts the arrays and maps around a value: those of its own payload, and all.
type level struct {
	inner int
	total int
}

// within is the level of the elements of an array or map that stands at l.
func (l level) within() level { return level{l.inner + 1, l.total + 1} }

// payload is the level of what an extension at l wraps.
func (l level) payload() level { return level{0, l.total} }

func (l level) tooDeep() bool { return l.inner > maxInner || l.total > maxTotal }

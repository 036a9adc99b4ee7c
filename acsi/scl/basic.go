package scl

import "busbar.example/acsi"

// enumSize is the number of bits that hold every number of e: eight, unless an engineer needed more.
func enumSize(e *acsi.Enum) int {
	size := 8
	for _, v := range e.Values {
		for v.Ord < -1<<(size-1) || v.Ord > 1<<(size-1)-1 {
			size *= 2
		}
	}
	return size
}

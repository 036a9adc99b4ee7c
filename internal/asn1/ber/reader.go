package ber

import (
	"busbar.example/internal/asn1"
	"busbar.example/value"
)

// Reader takes the encodings in a list apart by hand, for the few PDUs that come so often that a plan is too slow for them. It
// takes what Decode takes; what is wrong, Decode tells.
type Reader struct{ d decoder }

// NewReader makes a Reader of b. depth is how many of the levels of l are round it; zeros in l are limits, not defaults.
func NewReader(b []byte, l asn1.Limits, depth int) Reader {
	return Reader{decoder{b: b, depth: l.MaxDepth - depth, items: l.MaxItems}}
}

// Count is the number of encodings in the list, each of which counts as an item.
func (r *Reader) Count() (int, bool) {
	n, err := r.d.count(len(r.d.b))
	return n, err == nil
}

// Next reads tag and content of the next encoding.
func (r *Reader) Next() (tag asn1.Tag, content []byte, ok bool) {
	tag, end, err := r.d.header(len(r.d.b))
	if err != nil {
		return 0, nil, false
	}
	content = r.d.b[r.d.pos:end]
	r.d.pos = end
	return tag, content, true
}

// Data reads the next encoding as an alternative of Data.
func (r *Reader) Data() (value.Value, bool) {
	tag, end, err := r.d.header(len(r.d.b))
	if err != nil {
		return value.Value{}, false
	}
	v, err := r.d.data(tag, end)
	return v, err == nil
}

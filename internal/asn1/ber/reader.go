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

// Open appends a tag of one octet and room for a length; Close puts the length there, of all that was appended since. They are
// for those who write by hand what a Reader reads.
func Open(dst []byte, tag byte) ([]byte, int) { return open(append(dst, tag)) }

// Close is the other half of Open.
func Close(dst []byte, begin int) []byte { return closeAt(dst, begin) }

// AppendUnsigned appends the content of an INTEGER.
func AppendUnsigned(dst []byte, u uint64) []byte { return appendUnsigned(dst, u) }

// AppendData appends v as an alternative of Data. What has no encoding is an *asn1.ValueError.
func AppendData(dst []byte, v value.Value) ([]byte, error) { return appendData(dst, v) }

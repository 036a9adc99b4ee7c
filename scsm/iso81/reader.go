package iso81

import (
	"io"
	"slices"
	"sync"
)

const (
	readBuffer = 4096    // octets that a connection has for reading; what is longer has memory of its own while it is read
	keptTSDU   = 1 << 20 // octets of such memory that are worth keeping
)

// reader takes TSDUs off a connection. What it returns is valid until its next call. A call that fails for a reason that
// passes, such as a deadline, loses nothing.
type reader struct {
	conn       io.Reader
	dry        func() // called before conn is read; may be nil
	buf        []byte
	start, end int // what has been read and not taken
	mostTSDU   int // octets
	mostTPDU   int // octets

	tsdu    *[]byte // of longTSDUs: the segments so far
	missing int     // octets of the segment that is being read
	last    bool    // it is the last
	whole   bool    // the TSDU has been returned
	packets int     // that the TSDU came in
}

// longTSDUs is memory for what does not fit in the buffer of a connection.
var longTSDUs = sync.Pool{New: func() any { return new([]byte) }}

// fill makes sure that n octets, at most readBuffer, are there.
func (r *reader) fill(n int) error {
	if r.end-r.start >= n {
		return nil
	}
	if r.buf == nil {
		r.buf = make([]byte, readBuffer)
	}
	if r.start > 0 {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	for r.end < n {
		got, err := r.read(r.buf[r.end:])
		r.end += got
		if err != nil && r.end < n {
			if err == io.EOF && r.end > 0 {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

func (r *reader) read(b []byte) (int, error) {
	if r.dry != nil {
		r.dry()
	}
	return r.conn.Read(b)
}

// another reports whether a whole packet is there.
func (r *reader) another() bool {
	if r.end-r.start < tpktLeast {
		return false
	}
	n, err := packetLength(r.buf[r.start:])
	return err == nil && r.end-r.start >= n
}

// take gives the next n octets, which are there.
func (r *reader) take(n int) []byte {
	b := r.buf[r.start : r.start+n]
	r.start += n
	return b
}

// header makes sure that the first octets of a packet are there, and tells the length of it all.
func (r *reader) header() (int, error) {
	err := r.fill(tpktHeader)
	if err == io.EOF && r.tsdu != nil {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return 0, err
	}
	n, err := packetLength(r.buf[r.start:])
	if err != nil {
		return 0, err
	}
	return n, r.fill(tpktLeast)
}

// tpdu gives the TPDU of the next packet, before data transfer.
func (r *reader) tpdu() (tpdu, error) {
	n, err := r.header()
	if err != nil {
		return tpdu{}, err
	}
	if n > readBuffer {
		return tpdu{}, protocolError(LayerCOTP, "a packet of %d octets before data transfer", n)
	}
	if err := r.fill(n); err != nil {
		return tpdu{}, err
	}
	return parseTPDU(r.take(n)[tpktHeader:])
}

// next gives the next TSDU.
func (r *reader) next() ([]byte, error) {
	if r.whole {
		r.release()
	}
	for {
		if r.missing > 0 {
			if err := r.collect(); err != nil {
				return nil, err
			}
		}
		if r.last {
			r.whole = true
			return *r.tsdu, nil
		}
		n, err := r.header()
		if err != nil {
			return nil, err
		}
		head := r.buf[r.start:]
		switch {
		case head[tpktHeader] != dataHeader-1 || head[tpktHeader+1] != codeDT:
			return nil, r.misplaced(n)
		case n-tpktHeader > r.mostTPDU:
			return nil, protocolError(LayerCOTP, "a TPDU of %d octets, where %d were agreed", n-tpktHeader, r.mostTPDU)
		}
		if last := head[tpktHeader+2]&endOfTSDU != 0; last && r.tsdu == nil && n <= len(r.buf) && n > tpktLeast {
			if err := r.fill(n); err != nil {
				return nil, err
			}
			r.whole, r.packets = true, 1
			return r.take(n)[tpktHeader+dataHeader:], nil
		}
		if err := r.segment(n - tpktHeader - dataHeader); err != nil {
			return nil, err
		}
	}
}

// segment begins to read a segment of n octets, whose header comes next.
func (r *reader) segment(n int) error {
	if r.tsdu == nil {
		r.tsdu = longTSDUs.Get().(*[]byte)
		*r.tsdu = (*r.tsdu)[:0]
	}
	last := r.take(tpktLeast)[tpktHeader+2]&endOfTSDU != 0
	switch have := len(*r.tsdu); {
	case n == 0 && (!last || have == 0):
		return protocolError(LayerCOTP, "an empty DT")
	case n > r.mostTSDU-have:
		return protocolError(LayerCOTP, "a TSDU of more than %d octets", r.mostTSDU)
	}
	r.missing, r.last = n, last
	r.packets++
	return nil
}

// collect reads what is missing of a segment. Memory grows with what has come, not with what is announced.
func (r *reader) collect() error {
	t := r.tsdu
	n := min(r.missing, r.end-r.start)
	*t = append(*t, r.take(n)...)
	r.missing -= n
	for r.missing > 0 {
		if len(*t) == cap(*t) {
			*t = slices.Grow(*t, min(r.missing, max(len(*t), readBuffer)))
		}
		got, err := r.read((*t)[len(*t):min(cap(*t), len(*t)+r.missing)])
		*t = (*t)[:len(*t)+got]
		r.missing -= got
		if err != nil && r.missing > 0 {
			if err == io.EOF {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// release forgets the TSDU that was returned last.
func (r *reader) release() {
	if r.tsdu != nil && cap(*r.tsdu) <= keptTSDU {
		longTSDUs.Put(r.tsdu)
	}
	r.tsdu, r.last, r.whole, r.packets = nil, false, false, 0
}

// misplaced is the error of a packet of n octets that comes next and holds no DT.
func (r *reader) misplaced(n int) error {
	if n > readBuffer {
		return protocolError(LayerCOTP, "a packet of %d octets that is no DT", n)
	}
	if err := r.fill(n); err != nil {
		return err
	}
	t, err := parseTPDU(r.take(n)[tpktHeader:])
	switch {
	case err != nil:
		return err
	case t.code == codeDR:
		return &AbortedError{Layer: LayerCOTP, Reason: t.reason.String()}
	case t.code == codeER:
		return &AbortedError{Layer: LayerCOTP, Reason: "it rejects a TPDU"}
	}
	return protocolError(LayerCOTP, "a TPDU with code %#02x during data transfer", t.code)
}

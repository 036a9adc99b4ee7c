package xmltok

import "io"

// window returns what is in the buffer of a token that begins at pos and may have up to size octets.
func (s *Scanner) window(size int64) []byte {
	left := s.unit + s.lim.MaxDocument - s.base - int64(s.pos) // negative where the limits became smaller meanwhile
	s.max = int(max(0, min(size, left)))
	return s.buf[s.pos:min(len(s.buf), s.pos+s.max)]
}

// more returns the window with at least one octet more than b, which is the window so far, or why there is none. Slices into
// the old window may change; indices into it stay right.
func (s *Scanner) more(b []byte) ([]byte, error) {
	if !s.stream && s.pos+len(b) == len(s.buf) {
		return nil, io.EOF
	}
	if len(b) >= s.max {
		return nil, s.fail(Limit, len(b), "too long")
	}
	if err := s.fill(); err != nil {
		return nil, err
	}
	return s.buf[s.pos:min(len(s.buf), s.pos+s.max)], nil
}

// maxEmptyReads is how often a reader may return nothing in succession.
const maxEmptyReads = 100

// fill reads at least one octet into buf, with one Read unless that returns nothing.
func (s *Scanner) fill() error {
	s.room()
	for range maxEmptyReads {
		if s.rerr != nil {
			return s.rerr
		}
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.rerr = err
		if n > 0 {
			s.buf = s.buf[:len(s.buf)+n]
			return nil
		}
	}
	return io.ErrNoProgress
}

// room makes room behind the octets in buf. They move only where that frees half of it; else the buffer doubles, so that an
// octet is copied a constant number of times however slowly its token arrives. Limits bound what must be kept. A buffer that
// grew large is given up once what went through it since it was last empty was small.
func (s *Scanner) room() {
	keep := s.pos
	if s.inner.on {
		keep = s.hold
	}
	switch {
	case keep == len(s.buf) && cap(s.buf) > keptBuffer && keep <= keptBuffer/2:
		s.buf = make([]byte, 0, firstBuffer)
		clear(s.attrs[:cap(s.attrs)]) // they point into the old one
	case keep == len(s.buf) && keep > 0:
		s.buf = s.buf[:0]
	case len(s.buf) < cap(s.buf):
		return
	case keep > 0 && keep >= cap(s.buf)/2:
		s.buf = s.buf[:copy(s.buf, s.buf[keep:])]
	default:
		grown := make([]byte, 0, max(firstBuffer, 2*cap(s.buf)))
		s.buf = append(grown, s.buf[keep:]...)
	}
	s.base += int64(keep)
	s.pos -= keep
	s.hold -= keep
}

// done consumes the n octets of the current token.
func (s *Scanner) done(n int) {
	s.pos += n
	s.last = n
}

// end says whether the input may end here, between two tokens.
func (s *Scanner) end() error {
	nothing := s.base+int64(s.pos) == 0
	if len(s.stack) == 0 && (!s.stream || s.rooted || nothing) {
		return errClean
	}
	return io.EOF
}

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
		if err == ErrIdle {
			s.rest()
			continue
		}
		s.rerr = err
		s.work()
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

// rest gives back what is not needed while nothing comes, if no token has begun.
func (s *Scanner) rest() {
	if s.inner.on || s.pos < len(s.buf) || s.known == nil {
		return
	}
	s.base += int64(s.pos)
	s.buf, s.pos, s.hold = s.buf[:0], 0, 0
	if cap(s.buf) != idleBuffer {
		s.buf = make([]byte, 0, idleBuffer)
	}
	clear(s.attrs[:cap(s.attrs)]) // they point into the buffer
	s.known.attrs, s.known.raw = s.attrs[:0], s.raw[:0]
	s.attrs, s.raw, s.scratch = nil, nil, nil
	resting.Put(s.known)
	s.known = nil
}

// work ends a rest.
func (s *Scanner) work() {
	if s.known == nil {
		s.known = resting.Get().(*known)
		s.attrs, s.raw = s.known.attrs, s.known.raw
	}
}

// Await waits in stream mode until Next may have something to return. Where its reader says ErrIdle first the scanner has rested and Await
// returns that: it is to be called again. Any other error is kept for Next.
func (s *Scanner) Await() error {
	if s.err != nil || s.rerr != nil || s.empty || s.Buffered() > 0 {
		return nil
	}
	s.room()
	n, err := s.r.Read(s.buf[:cap(s.buf)])
	if err == ErrIdle {
		s.rest()
		return ErrIdle
	}
	s.work()
	s.buf, s.rerr = s.buf[:n], err
	return nil
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

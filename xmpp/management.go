package xmpp

import (
	"strconv"
	"sync/atomic"
	"time"
)

// What is asked for an acknowledgement without waiting for a silence.
const (
	askStanzas = 32       // so many stanzas
	askOctets  = 32 << 10 // or octets, or a quarter of what may be kept

	maxKept = 4096 // stanzas that may wait to be acknowledged
)

// A management counts the stanzas that pass over one stream in both directions, and
// keeps those that were sent until the peer says that it has handled them. It
// outlives the connection: the stream can be taken up again over another one. It is
// a pure machine; what it wants to say rides with what is written next, so that two
// who talk to each other acknowledge without a write of its own.
//
//	       limit reached, or a silence           h comes
//	sent ─────────────────────────────▶ asked ────────────▶ sent, without those up to h
//
// All counters are modulo 2^32. A value of the peer's is right if it lies between what
// it has acknowledged and what was sent, on that circle.
//
// XEP-0198.
type management struct {
	id     string        // under which the stream may be resumed; "" for not at all
	resume time.Duration // for how long

	// What was sent.
	acked uint32  // by the peer
	kept  backlog // what was sent since
	ask   bool    // the peer is to be asked soon
	asked bool    // it was, and has not answered
	turn  uint64  // of the senders' shares: another begins when what was sent before this one is acknowledged
	began uint32  // stanzas that were sent before it
	doubt bool    // what was sent again after a resumption is not acknowledged yet

	// What has come.
	handled  atomic.Uint32 // counted by the reading goroutine
	reported uint32        // to the peer
	answer   bool          // it has asked
}

// full reports whether a stanza of n octets has no room within limit octets. A single
// one always has.
func (m *management) full(n, limit int) bool {
	return m.kept.count() >= maxKept || m.kept.count() > 0 && n > limit-m.kept.octets
}

// sent returns how many stanzas were sent.
func (m *management) sent() uint32 { return m.acked + uint32(m.kept.count()) }

// valid reports whether h may be what the peer has handled.
func (m *management) valid(h uint32) bool { return h-m.acked <= uint32(m.kept.count()) }

// acknowledge takes from the peer that it has handled h stanzas. It reports whether
// that can be.
func (m *management) acknowledge(h uint32) bool {
	if !m.valid(h) {
		return false
	}
	m.kept.drop(int(h - m.acked))
	m.acked, m.asked, m.doubt = h, false, false
	if int32(m.acked-m.began) >= 0 {
		m.turn, m.began = m.turn+1, m.sent()
	}
	return true
}

// unreported reports whether the peer does not know of everything that was handled.
func (m *management) unreported() bool { return m.handled.Load() != m.reported }

// pending appends what is to be said to what is about to be written, which may be
// nothing; limit is what may be kept.
func (m *management) pending(dst []byte, limit int) []byte {
	h := m.handled.Load()
	if m.answer || len(dst) > 0 && h != m.reported {
		dst = appendHandled(dst, "<a", h)
		m.answer, m.reported = false, h
	}
	if m.kept.count() >= askStanzas || m.kept.octets >= min(askOctets, limit/4) {
		m.ask = true
	}
	if m.ask && !m.asked && m.kept.count() > 0 {
		dst = append(dst, "<r xmlns='"+nsManagement+"'/>"...)
		m.asked = true
	}
	m.ask = false
	return dst
}

// resumed prepares for another connection, over which first, all that is kept is
// sent again, after the peer has said that it has handled h stanzas.
func (m *management) resumed(h uint32) bool {
	m.answer, m.reported = false, m.handled.Load()
	m.ask = true
	if !m.acknowledge(h) {
		return false
	}
	m.doubt = m.kept.count() > 0
	return true
}

// appendHandled appends the element that tag begins, with h.
func appendHandled(dst []byte, tag string, h uint32) []byte {
	dst = append(dst, tag...)
	dst = append(dst, " xmlns='"+nsManagement+"' h='"...)
	dst = strconv.AppendUint(dst, uint64(h), 10)
	return append(dst, "'/>"...)
}

// parseHandled reads h.
func parseHandled(h string) (uint32, bool) {
	n, err := strconv.ParseUint(h, 10, 32)
	return uint32(n), err == nil
}

package xmpp

import (
	"net"
	"time"
)

// What a writer does for a stream whose stanzas are acknowledged, and which may be
// taken up again over another connection.

// manage lets the stanzas be counted, and kept until they are acknowledged, from the
// next one on. Before it goes first, which is no stanza.
func (w *writer) manage(m *management, first []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		return
	}
	w.managed = m
	w.append(first)
}

// unmanage takes manage back: the peer does not acknowledge.
func (w *writer) unmanage() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.managed != nil {
		w.managed.kept.clear()
		w.managed = nil
		signal(w.room)
	}
}

// resumable says that the stream may be taken up again, under that id and for so long
// after its connection has broken.
func (w *writer) resumable(id string, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.managed != nil {
		w.managed.id, w.managed.resume = id, d
	}
}

// remark adds to the queue what there is to say about acknowledgements. w.mu is held.
func (w *writer) remark() {
	if w.queue == nil {
		if !w.managed.answer && !w.managed.ask {
			return
		}
		w.queue = buffers.Get().(*buffer)
	}
	w.queue.octets = w.managed.pending(w.queue.octets, w.limit)
	if len(w.queue.octets) == 0 {
		w.queue.free()
		w.queue = nil
	}
}

// answer tells the peer, which asks, how many stanzas were handled. However often it
// asks, there is one answer at most under way.
func (w *writer) answer() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.managed != nil {
		w.managed.answer = true
		w.rouse()
	}
}

// ask asks the peer how many stanzas it has handled, if it has not acknowledged them all.
func (w *writer) ask() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.managed != nil && !w.managed.asked && w.managed.kept.count() > 0 {
		w.managed.ask = true
		w.rouse()
	}
}

// acknowledge takes from the peer how many stanzas it has handled.
func (w *writer) acknowledge(h uint32) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.managed == nil {
		return nil
	}
	if !w.managed.acknowledge(h) {
		return tooHigh(h, w.managed.sent())
	}
	signal(w.room)
	return nil
}

// detach parts the writer from its connection, if the stream can be taken up again;
// what is queued from now on is kept. With last, that goes out behind everything else
// by the deadline; without, nothing more is written.
func (w *writer) detach(last []byte, deadline time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing || w.detached || w.managed == nil || w.managed.resume <= 0 {
		return false
	}
	w.detached, w.deadline = true, deadline
	if last != nil {
		w.last(last, deadline)
		return true
	}
	w.conn.SetWriteDeadline(deadline)
	if w.queue != nil { // it is among what is kept
		w.queue.free()
		w.queue = nil
	}
	w.rouse()
	return true
}

// attach gives the writer another connection, once run has returned from the one
// before. Over it goes first, which is made from the number of the peer's stanzas that
// were handled, and then again what the peer, which has handled h stanzas, has not.
func (w *writer) attach(conn net.Conn, h uint32, first func(handled uint32) []byte) (again int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closing, !w.detached:
		return 0, errEnded
	case !w.managed.resumed(h):
		return 0, tooHigh(h, w.managed.sent())
	}
	w.conn, w.detached, w.deadline = conn, false, time.Time{}
	w.append(first(w.managed.reported))
	w.queue.octets = w.managed.kept.appendTo(w.queue.octets)
	signal(w.room)
	return w.managed.kept.count(), nil
}

// kept says under which id and for how long the stream may be taken up again, and how
// many of the peer's stanzas were handled so far. It is for a writer that has no
// connection; ok is false for any other.
func (w *writer) kept() (id string, d time.Duration, handled uint32, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing || !w.detached {
		return "", 0, 0, false
	}
	return w.managed.id, w.managed.resume, w.managed.handled.Load(), true
}

// doubtful reports whether the peer has not yet acknowledged anything of what was sent
// again over this connection.
func (w *writer) doubtful() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.managed != nil && w.managed.doubt
}

// valid reports whether the peer may have handled h stanzas.
func (w *writer) valid(h uint32) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.managed != nil && !w.managed.valid(h) {
		return tooHigh(h, w.managed.sent())
	}
	return nil
}

// undelivered shows to f what was sent and never acknowledged, and forgets it. It is
// for a writer that has finished.
func (w *writer) undelivered(f func(stanza []byte)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.managed != nil && w.closing {
		w.managed.kept.each(f)
		w.managed.kept.clear()
	}
}

package xmpp

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"time"
)

const (
	keepBuffer = 256 << 10 // octets of a buffer that is kept for another use: a window of large stanzas has room in it
	chunk      = 32 << 10  // octets that must make their way within one timeout
	recordSize = 16 << 10  // octets in a TLS record at most: writing more at once saves little
	reserve    = 64 << 10  // octets of room beyond the limit for answers that cannot wait
)

// buffers are for the stanzas that wait or are being written: an idle connection
// has none.
var buffers = sync.Pool{New: func() any { return new(buffer) }}

type buffer struct{ octets []byte }

// free gives b back. One that has grown large is left to the collector.
func (b *buffer) free() {
	if cap(b.octets) <= keepBuffer {
		b.octets = b.octets[:0]
		buffers.Put(b)
	}
}

// A Share counts what one of several senders has waiting in a Conn's queue. The
// zero value is ready; a Share is for one Conn.
type Share struct {
	turn        uint64 // in which now was queued
	before, now held   // before: in the turn before it, where stanzas are acknowledged
}

// held is what a sender has waiting.
type held struct{ octets, stanzas int }

// begin has the share count in a turn, and forgets what no longer waits: all of the turns before it, but for the last
// one where stanzas are acknowledged.
func (s *Share) begin(turn uint64, acknowledged bool) {
	switch {
	case s.turn == turn:
	case acknowledged && s.turn+1 == turn:
		*s = Share{turn: turn, before: s.now}
	default:
		*s = Share{turn: turn}
	}
}

// full reports whether another n octets exceed limit. A single stanza does not.
func (s *Share) full(n, limit int) bool {
	stanzas := s.before.stanzas + s.now.stanzas
	return stanzas > 0 && (n > limit-s.before.octets-s.now.octets || stanzas >= maxKept/2)
}

// ErrShareFull is returned by PushShare: what the sender has waiting in the queue
// leaves no room in its share.
var ErrShareFull = errors.New("xmpp: the sender's share of the queue is full")

// writer sends whole stanzas in the order in which they were queued, from one
// goroutine, as many as are waiting in one write. The queue is bounded in
// octets. When it is full, push refuses and send waits; a write that does not
// make its way within the timeout ends the connection, since a peer that does
// not read is of no use and may be an attacker.
//
// Where stanzas are acknowledged, what was written counts as waiting until it is:
// a peer that reads and does not acknowledge is a slow one, too. Such a writer
// outlives its connection. Without one it keeps what is queued, within the same
// bound, for the next.
type writer struct {
	timeout time.Duration
	limit   int

	turn chan struct{} // held by the one sender that may wait for room; the others queue up behind it

	mu       sync.Mutex
	conn     net.Conn
	managed  *management   // nil where stanzas are not acknowledged
	queue    *buffer       // what run will write next, nil for nothing
	batch    uint64        // how many queues run has taken
	waiting  int           // senders that hold turn or want it
	room     chan struct{} // signalled when the queue was emptied, or something acknowledged
	wake     chan struct{} // signalled when there is something for run to do
	dozing   bool          // run is to return when there is nothing for it to do
	asleep   func()        // starts run again, where it has returned for that; else nil
	detached bool          // run ends when the queue is empty; what comes is kept for another connection
	closing  bool          // nothing more is accepted; run ends when the queue is empty
	written  time.Time     // when run began to write last, or was to begin
	deadline time.Time     // for everything, with detached or closing
	writing  bool          // run is writing
	between  time.Time     // until when TLS may write on its own account, while run does not
	ended    chan struct{} // closed when closing is set
}

// newWriter returns a writer to conn. Its run method must be started.
func newWriter(conn net.Conn, timeout time.Duration, limit int) *writer {
	return &writer{
		conn: conn, timeout: timeout, limit: limit,
		written: time.Now(),
		turn:    make(chan struct{}, 1), room: make(chan struct{}, 1), wake: make(chan struct{}, 1), ended: make(chan struct{}),
	}
}

// push queues the concatenation of parts, or refuses at once with ErrQueueFull.
// A single stanza is accepted by an empty queue whatever its size. After the end
// it returns errEnded.
func (w *writer) push(parts [][]byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting > 0 && !w.closing {
		return ErrQueueFull // those who wait were first
	}
	return w.add(parts, w.limit)
}

// pushShare is push for a sender that may have at most limit octets waiting, or one
// stanza of any size.
func (w *writer) pushShare(share *Share, limit int, parts [][]byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting > 0 && !w.closing {
		return ErrQueueFull
	}
	turn := w.batch
	if w.managed != nil {
		turn = w.managed.turn
	}
	share.begin(turn, w.managed != nil)
	n := size(parts)
	if share.full(n, limit) && !w.closing {
		return ErrShareFull
	}
	err := w.add(parts, w.limit)
	if err == nil {
		share.now.octets += n
		share.now.stanzas++
	}
	return err
}

// pushUrgent is push for the stream's own answers, which may use the reserve.
func (w *writer) pushUrgent(part []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.add([][]byte{part}, w.limit+reserve)
}

// add queues parts if there is room within limit. w.mu is held.
func (w *writer) add(parts [][]byte, limit int) error {
	if w.closing {
		return errEnded
	}
	if w.full(size(parts), limit) {
		return ErrQueueFull
	}
	if w.managed != nil {
		w.managed.kept.push(parts)
	}
	if !w.detached {
		w.append(parts...)
	}
	return nil
}

// full reports whether a stanza of n octets has no room within limit. w.mu is held.
func (w *writer) full(n, limit int) bool {
	if w.managed != nil {
		return w.managed.full(n, limit)
	}
	return w.queue != nil && n > limit-len(w.queue.octets)
}

// spoke returns when something was written last.
func (w *writer) spoke() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written
}

// say queues what is no stanza, if there is room.
func (w *writer) say(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing || w.detached || w.queue != nil && len(b) > w.limit+reserve-len(w.queue.octets) {
		return
	}
	w.append(b)
}

// size returns the number of octets of parts.
func size(parts [][]byte) int {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	return n
}

// append queues parts. w.mu is held.
func (w *writer) append(parts ...[]byte) {
	if w.queue == nil {
		w.queue = buffers.Get().(*buffer)
	}
	for _, p := range parts {
		w.queue.octets = append(w.queue.octets, p...)
	}
	w.rouse()
}

// rouse tells run that there is something to do. w.mu is held.
func (w *writer) rouse() {
	if w.asleep == nil {
		signal(w.wake)
		return
	}
	go w.asleep()
	w.asleep = nil
}

// doze lets run return until there is something to do again: an idle connection needs
// no goroutine to write.
func (w *writer) doze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asleep == nil && w.queue == nil {
		w.dozing = true
		signal(w.wake)
	}
}

// queued returns the number of octets that wait.
func (w *writer) queued() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.managed != nil {
		return w.managed.kept.octets
	}
	if w.queue == nil {
		return 0
	}
	return len(w.queue.octets)
}

// send queues the concatenation of parts, and waits for room until ctx ends.
// Those who wait are served in the order in which they came.
func (w *writer) send(ctx context.Context, parts [][]byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	if w.waiting == 0 {
		if err := w.add(parts, w.limit); err != ErrQueueFull {
			w.mu.Unlock()
			return err
		}
	}
	w.waiting++
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.waiting--
		w.mu.Unlock()
	}()

	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.ended:
		return errEnded
	}
	defer func() { <-w.turn }()
	for {
		w.mu.Lock()
		err := w.add(parts, w.limit)
		w.mu.Unlock()
		if err != ErrQueueFull {
			return err
		}
		select {
		case <-w.room:
		case <-ctx.Done():
			return ctx.Err()
		case <-w.ended:
			return errEnded
		}
	}
}

// finish queues last behind everything else and accepts nothing more. All of it
// must have made its way by deadline.
func (w *writer) finish(last []byte, deadline time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		return
	}
	w.closing, w.deadline = true, deadline
	close(w.ended)
	if w.detached {
		return
	}
	w.last(last, deadline)
}

// last queues what goes out behind everything else, acknowledgements among it. It must
// have made its way by deadline. w.mu is held.
func (w *writer) last(b []byte, deadline time.Time) {
	w.conn.SetWriteDeadline(deadline) // also of the write under way
	if w.managed != nil {
		w.managed.answer = w.managed.answer || w.managed.unreported()
		w.remark()
	}
	w.append(b)
}

// run writes until finish or detach was called and the queue is empty, or a write
// fails; then it returns the error of that write. After doze it returns, with over
// false, once the queue is empty, and again is called on a goroutine of its own when
// there is something to do, which is to run once more.
func (w *writer) run(again func()) (over bool, err error) {
	for {
		w.mu.Lock()
		batch, over := w.take(), w.closing || w.detached
		if batch == nil && !over && w.dozing {
			w.asleep = again
		}
		sleeps := w.asleep != nil
		w.mu.Unlock()
		signal(w.room)
		switch {
		case sleeps:
			return false, nil
		case batch == nil && over:
			return true, nil
		case batch == nil:
			<-w.wake
			w.gather()
			continue
		}
		err := w.write(batch.octets)
		batch.free()
		if err != nil {
			return true, err
		}
	}
}

// gather lets those who have something to say say it, as long as more and more comes: what goes out in one write costs
// both ends of the connection a fraction of what many writes cost. Where nobody else wants to run it takes no time.
func (w *writer) gather() {
	for before := 0; ; {
		runtime.Gosched()
		n := w.unwritten()
		if n == before || n >= recordSize {
			return
		}
		before = n
	}
}

// unwritten returns the number of octets that run has not taken yet.
func (w *writer) unwritten() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queue == nil {
		return 0
	}
	return len(w.queue.octets)
}

// take returns what is to be written next, nil for nothing. w.mu is held.
func (w *writer) take() *buffer {
	if w.managed != nil && !w.closing && !w.detached {
		w.remark()
	}
	batch := w.queue
	w.queue = nil
	w.batch++
	w.dozing = w.dozing && batch == nil
	if w.writing && batch == nil {
		w.letWrite()
	}
	w.writing = batch != nil
	return batch
}

// allow says until when whoever reads may write what TLS has to answer: a client may ask
// for new keys at any time, and the time limit of what run wrote last is then over.
//
// RFC 8446, Section 4.6.3.
func (w *writer) allow(until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.between = until
	if !w.writing {
		w.letWrite()
	}
}

// letWrite sets the time limit for what TLS writes between two writes of run. w.mu is held.
func (w *writer) letWrite() {
	if !w.closing && !w.detached {
		w.conn.SetWriteDeadline(w.between) // what fails here has ended
	}
}

// write sends b. Each chunk has the whole timeout to make its way, so a slow
// link is not taken for a dead one.
func (w *writer) write(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), chunk)
		if err := w.setDeadline(); err != nil {
			return err
		}
		if _, err := w.conn.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func (w *writer) setDeadline() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written = time.Now()
	deadline := w.written.Add(w.timeout)
	if (w.closing || w.detached) && w.deadline.Before(deadline) {
		deadline = w.deadline
	}
	return w.conn.SetWriteDeadline(deadline)
}

// signal wakes the one who waits on c, now or the next time.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

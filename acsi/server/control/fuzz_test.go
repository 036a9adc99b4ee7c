package control

import (
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// FuzzMachine feeds random inputs of three clients and holds the machine to what must always be true: one selection at a time, which
// only its client uses; no termination without a command that was accepted, and exactly one for each such command of enhanced
// security or of a later time, unless its client has gone; every question followed up, and the way back to ready never lost.
func FuzzMachine(f *testing.F) {
	f.Add(byte(SBOEnhanced), []byte{0x01, 0x40, 0x02, 0x40, 0x40, 0x05})
	f.Add(byte(DirectEnhanced), []byte{0x02, 0x40, 0x40})
	f.Add(byte(SBONormal|8), []byte{0x00, 0x40, 0x02, 0x40, 0x40, 0x02, 0x40, 0x40})
	f.Add(byte(DirectNormal|16), []byte{0x12, 0x40, 0x45, 0x85, 0x85, 0x40, 0x40})
	f.Fuzz(func(t *testing.T, how byte, inputs []byte) {
		s := Settings{Model: Model(how % 5), Many: how&8 != 0, SBOTimeout: 3 * time.Second, OperTimeout: 4 * time.Second}
		if how&16 != 0 {
			s.Pulse = Pulse{On: 700 * time.Millisecond, Off: 300 * time.Millisecond, Count: 3}
		}
		h := &holder{t: t, model: s.Model, now: noon}
		h.m = New(s, func(*Request) Conditions { return h.given })
		for _, in := range inputs {
			h.input(in)
		}
		h.finish()
	})
}

// holder is a shell that remembers what it owes to whom.
type holder struct {
	t     *testing.T
	m     *Machine
	model Model
	now   time.Time
	given Conditions

	asked    *Ask   // unanswered, and not stopped
	by       Client // whose service is under way: it waits for a reply
	replies  int
	chosen   Client // who has selected; 0: nobody
	accepted int    // commands that owe a termination
	owes     Client // to whom
	later    bool   // the command under way is for a later time
}

func (h *holder) input(in byte) {
	c := Client(in>>4&1) + 1
	r := Request{Value: value.Bool(in&0x20 == 0), CtlNum: 1}
	if in>>4&3 == 3 {
		r.OperTm = h.now.Add(2 * time.Second)
	}
	if in&0x40 != 0 {
		h.answer(in)
		return
	}
	switch in & 0x0f {
	case 0:
		h.service(c, 's', r)
	case 1:
		h.service(c, 'w', r)
	case 2, 3, 4:
		h.service(c, 'o', r)
	case 5:
		h.service(c, 'c', r)
	case 6:
		h.gone(c)
	case 7:
		h.given = Conditions{Behaviour: Behaviour(in >> 4)}
	case 8:
		h.given = Conditions{Reached: in&0x10 != 0}
	case 9:
		if next := h.m.Next(); !next.IsZero() {
			h.now = next
		}
		h.outputs(h.m.Tick(h.now))
	default:
		h.now = h.now.Add(time.Duration(in) * 20 * time.Millisecond)
		h.outputs(h.m.Tick(h.now))
	}
}

// service calls one, unless another is under way for the same client: a client waits for its answer.
func (h *holder) service(c Client, s rune, r Request) {
	if h.by != 0 && h.by == c {
		return
	}
	waits := h.by
	before := h.replies
	var out []Output
	switch s {
	case 's':
		out = h.m.Select(h.now, c, rbac.Subject{})
	case 'w':
		out = h.m.SelectWithValue(h.now, c, r)
	case 'o':
		if h.m.state == selected && h.m.owner != c && len(h.m.Tick(h.now)) == 0 {
			h.refused(h.m.Operate(h.now, c, r), acsi.LockedByOtherClient)
			return
		}
		out = h.m.Operate(h.now, c, r)
	case 'c':
		out = h.m.Cancel(h.now, c, r)
	}
	h.by = c
	asked := h.asked
	h.outputs(out)
	if h.replies == before && h.asked == asked {
		h.t.Fatalf("%c has neither a reply nor a question: %v", s, out)
	}
	if h.replies != before { // it is over; whoever waited still waits
		h.by = waits
	}
}

func (h *holder) refused(out []Output, cause acsi.AddCause) {
	if len(out) != 1 || out[0] != (Output)(Reply{Cause: cause}) {
		h.t.Fatalf("operate of another client: %v, want %s and no more", out, cause)
	}
}

func (h *holder) gone(c Client) {
	h.outputs(h.m.Gone(h.now, c))
	if h.owes == c {
		h.accepted, h.owes = 0, 0
	}
	if h.m.owner == c {
		h.t.Fatal("the machine still knows a client that has gone")
	}
}

func (h *holder) answer(in byte) {
	if h.asked == nil {
		h.outputs(h.m.Answer(h.now, uint64(in), acsi.Done)) // nobody has asked
		return
	}
	a := h.asked
	h.asked = nil
	cause := acsi.Done
	if in&0x80 != 0 {
		cause = acsi.BlockedByProcess
	}
	h.outputs(h.m.Answer(h.now, a.Ticket, cause))
}

func (h *holder) outputs(out []Output) {
	for _, o := range out {
		switch o := o.(type) {
		case Ask:
			h.ask(o)
		case Stop:
			if h.asked == nil || h.asked.Ticket != o.Ticket {
				h.t.Fatalf("stop of %d, which does not run", o.Ticket)
			}
			h.asked = nil
		case Reply:
			h.reply(o)
		case Termination:
			if h.accepted != 1 || o.Client != h.owes {
				h.t.Fatalf("termination to %d: %d commands of %d owe one", o.Client, h.accepted, h.owes)
			}
			h.accepted = 0
		}
	}
	h.selection()
}

func (h *holder) ask(a Ask) {
	if a.Phase == Deselected {
		return
	}
	if h.asked != nil {
		h.t.Fatalf("asked %s while %s is unanswered", a.Phase, h.asked.Phase)
	}
	if a.Phase == Operating || a.Phase == Arming {
		h.later = !a.Request.OperTm.IsZero()
	}
	h.asked = &a
}

func (h *holder) reply(r Reply) {
	h.replies++
	if r.Cause == acsi.Done && (h.m.state == executing || h.m.state == armed) && (h.model.Enhanced() || h.later) {
		if h.accepted != 0 {
			h.t.Fatal("a second command accepted")
		}
		h.accepted, h.owes = 1, h.m.owner
	}
	h.by = 0
}

// selection holds stSeld to one client at a time.
func (h *holder) selection() {
	if !h.m.status.Selected {
		h.chosen = 0
		return
	}
	if !h.model.Selects() {
		h.t.Fatal("selected, in a model without selection")
	}
	if h.chosen != 0 && h.m.owner != 0 && h.m.owner != h.chosen {
		h.t.Fatalf("selected by %d and by %d", h.chosen, h.m.owner)
	}
	h.chosen = h.m.owner
}

// finish answers all and lets time pass: the object must come to rest with nothing owed.
func (h *holder) finish() {
	h.given = Conditions{}
	for range 20 {
		h.answer(0x40)
		h.now = h.now.Add(time.Minute)
		h.outputs(h.m.Tick(h.now))
	}
	switch {
	case !h.m.Idle():
		h.t.Fatalf("does not come to rest: %s", h.m.state)
	case h.accepted != 0:
		h.t.Fatal("a command has had no termination")
	case !h.m.Next().IsZero():
		h.t.Fatalf("at rest, and waits for %v", h.m.Next())
	}
}

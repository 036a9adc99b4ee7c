package xmpp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A backlog holds what a plain list would, whatever the sizes, and gives its memory back.
func TestBacklogIsAList(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		var b backlog
		var model [][]byte
		for range 2000 {
			if random.IntN(3) > 0 {
				stanza := bytes.Repeat([]byte{byte(random.Uint32())}, 1+random.IntN([]int{10, 600, 20_000}[random.IntN(3)]))
				cut := random.IntN(len(stanza) + 1)
				b.push([][]byte{stanza[:cut], stanza[cut:]})
				model = append(model, stanza)
			} else {
				n := random.IntN(len(model) + 1)
				b.drop(n)
				model = model[n:]
			}
			want := bytes.Join(model, nil)
			if b.count() != len(model) || b.octets != len(want) {
				t.Fatalf("seed %d: %d stanzas of %d octets, want %d of %d", seed, b.count(), b.octets, len(model), len(want))
			}
		}
		var got [][]byte
		b.each(func(s []byte) { got = append(got, s) })
		if diff := cmp.Diff(len(model), len(got)); diff != "" || !bytes.Equal(bytes.Join(model, nil), bytes.Join(got, nil)) {
			t.Fatalf("seed %d: other stanzas than were pushed", seed)
		}
		b.drop(b.count())
		if len(b.chunks) != 0 || b.first != 0 || b.head != 0 {
			t.Errorf("seed %d: an empty backlog holds %d chunks", seed, len(b.chunks))
		}
	}
}

// Counters are compared on the circle of 2^32. XEP-0198, Section 4.
func TestAcknowledgementsModulo(t *testing.T) {
	for _, tt := range []struct {
		acked uint32
		kept  int
		h     uint32
		ok    bool
		left  int
	}{
		{0, 3, 0, true, 3},
		{0, 3, 3, true, 0},
		{0, 3, 4, false, 3},
		{5, 3, 4, false, 3},
		{1<<32 - 2, 4, 1<<32 - 2, true, 4},
		{1<<32 - 2, 4, 1<<32 - 1, true, 3},
		{1<<32 - 2, 4, 0, true, 2},
		{1<<32 - 2, 4, 2, true, 0},
		{1<<32 - 2, 4, 3, false, 4},
		{1<<32 - 2, 4, 1<<32 - 3, false, 4},
	} {
		m := management{acked: tt.acked}
		for i := range tt.kept {
			m.kept.push([][]byte{fmt.Append(nil, i)})
		}
		if ok := m.acknowledge(tt.h); ok != tt.ok || m.kept.count() != tt.left {
			t.Errorf("%d acknowledged and %d more sent, then %d: %v, %d left; want %v, %d", tt.acked, tt.kept, tt.h, ok, m.kept.count(), tt.ok, tt.left)
		}
	}
}

// Acknowledgements ride with what is written, and are asked for when much waits for one.
func TestWhatRidesAlong(t *testing.T) {
	const a, r = "<a xmlns='urn:xmpp:sm:3' h='%d'/>", "<r xmlns='urn:xmpp:sm:3'/>"
	m := new(management)
	say := func(with string) string { return string(m.pending([]byte(with), 1<<20))[len(with):] }
	if got := say("<iq/>"); got != "" {
		t.Errorf("with nothing to say: %q", got)
	}
	m.handled.Store(2)
	if got := say(""); got != "" {
		t.Errorf("with nothing to ride with: %q", got)
	}
	if got, want := say("<iq/>"), fmt.Sprintf(a, 2); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := say("<iq/>"); got != "" {
		t.Errorf("said twice: %q", got)
	}
	m.answer = true
	if got, want := say(""), fmt.Sprintf(a, 2); got != want {
		t.Errorf("asked: %q, want %q", got, want)
	}
	for range askStanzas {
		m.kept.push([][]byte{[]byte("<iq/>")})
	}
	if got := say("<iq/>"); got != r {
		t.Errorf("with %d stanzas: %q, want %q", askStanzas, got, r)
	}
	if got := say("<iq/>"); got != "" {
		t.Errorf("asked twice: %q", got)
	}
	m.acknowledge(uint32(askStanzas) - 1)
	m.ask = true
	if got := say(""); got != r {
		t.Errorf("after an answer: %q, want %q", got, r)
	}
}

package iso81_test

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/internal/testbed"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/iso81"
	"busbar.example/scsm/mmsmap"
	"busbar.example/value"
)

// tolerant is how associations over TCP are made where nothing else is asked for.
var tolerant = assoc.Config{LeastPDU: 64,
	Lenient: assoc.Lenient{FewBlocks: true, LowNesting: true, NoCalls: true, RaisedNumbers: true, SilentConclude: true}}

// dial connects to the site, below all layers of ours.
func (s *site) dial() net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.listen.Addr().String())
	must(s.t, err)
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

// outcome is what the IED says of the next association that ends.
func (s *site) outcome() error {
	s.t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(20 * time.Second):
		s.t.Fatal("the IED holds on to an association that is over")
		return nil
	}
}

func checkOutcome(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("the association ended with %v, want an end in order", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("the association ended with %v, want %q", err, want)
	}
}

// TestClientsOfOtherMakersAreServed plays what other clients send, octet by octet, and holds what they are answered against what
// they can read.
func TestClientsOfOtherMakersAreServed(t *testing.T) {
	for _, script := range testbed.Scripts(t, "../../testdata/iso81/client-*.txt") {
		for name, octets := range map[string]int{"as they are": 0, "by octets": 1} {
			t.Run(script.Name+"/"+name, func(t *testing.T) {
				s := start(t, mode{}, func(s *site) { s.association = tolerant })
				script.Play(t, s.dial(), octets)
				checkOutcome(t, s.outcome(), script.Outcome)
			})
		}
	}
}

// TestServersOfOtherMakersAreUsed plays what other servers answer, and what they do instead.
func TestServersOfOtherMakersAreUsed(t *testing.T) {
	for _, script := range testbed.Scripts(t, "../../testdata/iso81/server-*.txt") {
		for name, octets := range map[string]int{"as they are": 0, "by octets": 1} {
			t.Run(script.Name+"/"+name, func(t *testing.T) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				must(t, err)
				defer l.Close()
				var played sync.WaitGroup
				defer played.Wait()
				played.Go(func() {
					conn, err := l.Accept()
					if err != nil {
						t.Error(err)
						return
					}
					script.Play(t, conn, octets)
				})
				checkOutcome(t, use(t, l.Addr().String()), script.Outcome)
			})
		}
	}
}

// use reads a value from a server and releases the association.
func use(t *testing.T, address string) error {
	ctx := timeout(t)
	link, err := iso81.Dial(ctx, address, iso81.Config{})
	if err != nil {
		return err
	}
	c, err := mmsmap.Tolerant().Associate(ctx, link, tolerant)
	if err != nil {
		return err
	}
	defer c.Abort()
	got, err := c.GetDataValues(ctx, []acsi.Ref{setting})
	if err != nil {
		return err
	}
	if got[0].Err != nil || !got[0].Value.Equal(value.Float(80)) {
		t.Errorf("read %v, want 80", got[0])
	}
	return c.Release(ctx)
}

// TestStrictlyOtherMakersAreRefused holds that what is taken from other makers against the standards is not taken where it says so, and
// that all else is.
func TestStrictlyOtherMakersAreRefused(t *testing.T) {
	refused := map[string]string{
		"client-other-application-context": "COTP: reason not specified", // because of the reference, already
		"client-simple-data":               "presentation: user data not readable",
	}
	for _, script := range testbed.Scripts(t, "../../testdata/iso81/client-*.txt") {
		t.Run(script.Name, func(t *testing.T) {
			s := start(t, mode{}, func(s *site) { s.association, s.server.Strict = tolerant, true })
			why, refuses := refused[script.Name]
			if !refuses {
				script.Play(t, s.dial(), 0)
				checkOutcome(t, s.outcome(), script.Outcome)
				return
			}
			script.Play(quiet{t}, s.dial(), 0)
			checkOutcome(t, s.outcome(), why)
		})
	}
}

// quiet is a test for which it is right that a script cannot be played to its end.
type quiet struct{ *testing.T }

func (quiet) Errorf(string, ...any) {}

package iso81_test

import (
	"bytes"
	"fmt"
	"io"
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
	case <-time.After(time.Minute):
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
	s := start(t, mode{}, func(s *site) { s.association = tolerant })
	for _, script := range testbed.Scripts(t, vectors+"/client-*.txt") {
		for name, octets := range map[string]int{"as they are": 0, "by octets": 1} {
			t.Run(script.Name+"/"+name, func(t *testing.T) {
				script.Play(t, s.dial(), octets)
				checkOutcome(t, s.outcome(), script.Outcome)
			})
		}
	}
}

// TestServersOfOtherMakersAreUsed plays what other servers answer, and what they do instead.
func TestServersOfOtherMakersAreUsed(t *testing.T) {
	for _, script := range testbed.Scripts(t, vectors+"/server-*.txt") {
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
func use(t testing.TB, address string) error {
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
	s := start(t, mode{}, func(s *site) { s.association, s.server.Strict = tolerant, true })
	for _, script := range testbed.Scripts(t, vectors+"/client-*.txt") {
		t.Run(script.Name, func(t *testing.T) {
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

// TestSmallTPDUsAndPDUs has a client ask for long lists though it takes little: no packet and no PDU is longer than it takes, and
// nothing is missing.
func TestSmallTPDUsAndPDUs(t *testing.T) {
	const tpdu, pdu = 128, 1000
	s := start(t, mode{}, func(s *site) { s.association = tolerant })
	conn := s.dial()
	send := func(octets string) {
		t.Helper()
		_, err := conn.Write(testbed.NewScript(t, vectors, "", "> "+octets).Actions[0].Octets())
		must(t, err)
	}
	receive := func() (tsdu []byte) {
		t.Helper()
		for {
			var head [7]byte
			_, err := io.ReadFull(conn, head[:])
			must(t, err)
			n := int(head[2])<<8 | int(head[3])
			data := make([]byte, n-len(head))
			_, err = io.ReadFull(conn, data)
			must(t, err)
			if n-4 > tpdu {
				t.Fatalf("a TPDU of %d octets, %d were agreed", n-4, tpdu)
			}
			if tsdu = append(tsdu, data...); head[5] != 0xf0 || head[6] == 0x80 {
				return tsdu
			}
		}
	}
	send("( {e0 00 00 00 01 00 c0{07}} )")
	receive()
	send("( 02 f0 00 0d ) ( $dt {$connect-items c1{31[$normal a2[a4[$acse-1 $mms-3] 61[30[02[01] a0[60[$context be[28[02[03] a0[" +
		"a8[80[03 e8] 81[05] 82[05] a4[80[01] 81[05 f1 00] $services]]]]]]]]]]]}} )")
	receive()
	pages, names, after := 0, 0, ""
	for more := true; more; pages++ {
		send(`( $data 61[30[02[03] a0[a0[02[01] a1[a0[80[00]] a1[81["PV1LD0"]]` + after + `]]]]] )`)
		tsdu := receive()
		at := max(0, bytes.Index(tsdu, []byte{0xa1, 0x82})) // the response, where it is long: what is before it is of presentation
		if len(tsdu)-at > pdu {
			t.Fatalf("a PDU of %d octets, the client takes %d: %x", len(tsdu)-at, pdu, tsdu)
		}
		var last []byte
		for rest := tsdu; ; names++ {
			i := bytes.IndexByte(rest, 0x1a) // no name has this octet
			if i < 0 {
				break
			}
			last, rest = rest[i+2:][:rest[i+1]], rest[i+2+int(rest[i+1]):]
		}
		after = fmt.Sprintf("82[%q]", last)
		more = !bytes.HasSuffix(tsdu, []byte{0x81, 1, 0})
	}
	if pages < 10 || names < 500 {
		t.Errorf("%d names came in %d lists, want all in several", names, pages)
	}
	conn.Close()
	s.outcome()
}

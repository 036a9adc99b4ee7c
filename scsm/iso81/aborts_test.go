package iso81_test

import (
	"net"
	"sync"
	"testing"

	"busbar.example/internal/testbed"
)

// ends are ways to end a conversation, or to disturb it, by name.
var ends = map[string]string{
	"close":                       "close",
	"reset":                       "reset",
	"disconnect request":          "> ( {80 00 00 00 01 80} )\ndrain",
	"transport error":             "> ( {70 00 01 02} )\ndrain",
	"abort of session":            "> ( $dt 19{11{04}} )\ndrain",
	"abort without a word":        "> ( $dt 19{} )",
	"abort of presentation":       "> ( $dt 19{11{01} c1{30[80[01]]}} )\ndrain",
	"abort of ACSE":               "> ( $dt 19{11{0b} c1{a0[61[30[02[01] a0[64[80[00]]]]]]}} )\nreset",
	"abort that cannot be read":   "> ( $dt 19{11{0b} c1{a0[61[30[02[01] a0[64[80]]]]]}} )\ndrain",
	"another CR":                  "> ( {e0 00 00 00 01 00 c0{0d}} )\ndrain",
	"another CC":                  "> $cc\ndrain",
	"another CONNECT":             "> ( $dt 0d{$connect-items c1{31[$normal a2[a4[$acse-1 $mms-3] 61[30[02[01] a0[60[$context be[28[02[03] a0[$initiate]]]]]]]]]}} )\ndrain",
	"another ACCEPT":              "> ( $dt 0e{$connect-items c1{31[$normal a2[$results 61[30[02[01] a0[$aare]]]]]}} )\ndrain",
	"REFUSE":                      "> ( $dt 0c{11{01} 32{00}} )\ndrain",
	"a request":                   "> $read-1\ndrain",
	"an answer":                   "> $value-1\ndrain",
	"another initiate":            "> ( $data 61[30[02[03] a0[$initiate]]] )\ndrain",
	"an AARQ as data":             "> ( $data 61[30[02[01] a0[60[$context]]]] )\ndrain",
	"conclude and no more":        "> $conclude\ndrain",
	"conclude that was not asked": "> $concluded\ndrain",
	"FINISH":                      "> ( $dt $finish )\ndrain",
	"FINISH with an RLRE":         "> ( $dt 09{c1{61[30[02[01] a0[63[80[00]]]]]}} )\ndrain",
	"DISCONNECT":                  "> ( $dt $disconnect )\ndrain",
	"NOT FINISHED":                "> ( $dt 08{} )\ndrain",
	"half a PDU":                  "> 03 00 00 40 02 f0 80 01 00 01 00 61 37\nclose",
	"half a segment, reset":       "> 03 00 01 00 02 f0 00 01 00 01 00 61 37\nreset",
	"no TSDU":                     "> ( 02 f0 80 )\ndrain",
	"another protocol":            "> \"GET / HTTP/1.1\" 0d 0a 0d 0a\ndrain",
}

const vectors = "../../testdata/iso81"

// cuts are the conversations of script that end too soon: behind each action, in the middle of what is sent, in every way.
func cuts(t *testing.T, name string, test func(t *testing.T, script testbed.Script)) {
	script := testbed.Scripts(t, vectors+"/"+name+".txt")[0]
	for end, text := range ends {
		t.Run(end, func(t *testing.T) {
			last := testbed.NewScript(t, vectors, end, text)
			for n := range len(script.Actions) {
				test(t, script.With(n, false, last))
				if n > 0 && script.Actions[n-1].Verb == ">" {
					test(t, script.With(n, true, last))
				}
			}
		})
	}
}

// TestClientThatEndsTooSoonIsForgotten has a client end in every state in every way: each time the IED is done with it at once, and
// serves the next.
func TestClientThatEndsTooSoonIsForgotten(t *testing.T) {
	s := start(t, mode{}, func(s *site) { s.association = tolerant })
	whole := testbed.Scripts(t, vectors+"/client-libiec61850.txt")[0]
	cuts(t, "client-libiec61850", func(t *testing.T, script testbed.Script) {
		script.Play(quiet{t}, s.dial(), 0)
		s.outcome()
	})
	whole.Play(t, s.dial(), 0)
	checkOutcome(t, s.outcome(), whole.Outcome)
}

// TestServerThatEndsTooSoonIsLeft has a server end in every state in every way: what was asked for fails, or was done before.
func TestServerThatEndsTooSoonIsLeft(t *testing.T) {
	cuts(t, "server-libiec61850", func(t *testing.T, script testbed.Script) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		var played sync.WaitGroup
		played.Go(func() {
			if conn, err := l.Accept(); err == nil {
				script.Play(quiet{t}, conn, 0)
			}
		})
		err = use(quiet{t}, l.Addr().String())
		t.Logf("%s after %d actions: %v", script.Name, len(script.Actions), err)
		l.Close()
		played.Wait()
	})
}

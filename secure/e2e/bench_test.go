package e2e

import (
	"strings"
	"testing"
)

// pdu1k is a PDU of one kilobyte in the XML that the 8-2 mapping writes.
var pdu1k = func() string {
	const head = "<confirmed-ResponsePDU xmlns='" + appNamespace + "'><invokeID>17</invokeID><ConfirmedServiceResponse><read><listOfAccessResult>"
	const tail = "</listOfAccessResult></read></ConfirmedServiceResponse></confirmed-ResponsePDU>"
	const item = "<AccessResult><success><floating-point>42480000</floating-point></success></AccessResult>"
	n := (900 - len(head) - len(tail)) / len(item)
	pdu := head + strings.Repeat(item, n)
	const text = "<AccessResult><success><visible-string></visible-string></success></AccessResult>"
	return pdu + strings.Replace(text, "></", ">"+strings.Repeat("x", 1000-len(pdu)-len(tail)-len(text))+"</", 1) + tail
}()

// BenchmarkSealOpen protects and opens a PDU of 1,000 octets, XML and all.
func BenchmarkSealOpen(b *testing.B) {
	for a := AES256GCM; a.known(); a++ {
		b.Run(a.String(), func(b *testing.B) {
			w := newWorld(b)
			w.use(a)
			client, server := w.associate()
			data := []byte(pdu1k)
			var octets []byte
			var err error
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if octets, err = client.Seal(octets[:0], w.now, data); err != nil {
					b.Fatal(err)
				}
				if _, err = server.Open(w.now, clientFull, "17:934", octets); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkHandshake is one whole handshake, the work of both sides, confirmed by one PDU.
func BenchmarkHandshake(b *testing.B) {
	w := newWorld(b)
	b.ReportAllocs()
	for b.Loop() {
		w.responder.admission = admission{} // nobody runs out of association ids
		w.client.Replay, w.server.Replay = new(ReplayCache), new(ReplayCache)
		i, acc, server := w.accept("17", "934")
		client, _, err := i.Answer(w.now, serverFull, "17:934", acc)
		if err != nil {
			b.Fatal(err)
		}
		w.send(client, server, appData)
	}
}

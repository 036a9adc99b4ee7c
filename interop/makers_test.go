//go:build interop

package interop_test

import (
	"net"
	"strings"
	"testing"

	"busbar.example/internal/testbed"
	"busbar.example/scsm/iso81"
)

// TestTsharkUnderstandsConversationsWithOtherMakers has Wireshark's dissectors read what clients in the shape of other makers' and our
// server say to each other.
func TestTsharkUnderstandsConversationsWithOtherMakers(t *testing.T) {
	c := newCapture()
	at := c.tee(t, overTCP(t, pvEngine(t), iso81.ServerConfig{Subject: everybody}))
	for _, script := range testbed.Scripts(t, "../testdata/iso81/client-*.txt") {
		if script.Name == "client-simple-data" {
			continue // which Wireshark does not look into
		}
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		script.Play(t, conn, 0)
	}
	text := c.dissect(t)
	for _, line := range complaints(text) {
		t.Errorf("tshark says: %s", line)
	}
	if got := strings.Count(text, "negociatedMaxServOutstandingCalling") + strings.Count(text, "negotiatedMaxServOutstandingCalling"); got < 10 {
		t.Errorf("tshark has seen %d associations, want all", got)
	}
}

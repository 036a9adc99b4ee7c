package assoc_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"busbar.example/mms"
	"busbar.example/mms/assoc"
)

// What is asked of an association that is over says why it is, however it has ended.
func TestWhatIsAskedAfterTheEndSaysWhy(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(client, server *assoc.Association)
		want string
	}{
		{"aborted here", func(client, _ *assoc.Association) { client.Abort() }, "association aborted here"},
		{"aborted by the peer", func(_, server *assoc.Association) { server.Abort() }, "the peer ended the link without a conclude"},
		{"concluded here", func(client, _ *assoc.Association) { client.Conclude(t.Context()) }, "the association has been concluded"},
		{"concluded by the peer", func(_, server *assoc.Association) { server.Conclude(t.Context()) }, "the association has been concluded"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client, server := pair(t, assoc.Config{}, assoc.Config{}, echo)
			tc.end(client, server)
			<-client.Done()
			for range 20 { // a place is free, and it is over: neither hides the other
				_, err := client.Call(t.Context(), read("x"))
				for name, err := range map[string]error{
					"Call":     err,
					"Notify":   client.Notify(t.Context(), &mms.InformationReport{}),
					"Conclude": client.Conclude(t.Context()),
				} {
					if err == nil || !strings.HasPrefix(err.Error(), tc.want) || !errors.Is(err, net.ErrClosed) || errors.Is(err, assoc.ErrNoAnswer) {
						t.Fatalf("%s: got %v, want %q", name, err, tc.want)
					}
				}
			}
		})
	}
}

package main

import (
	"context"
	"errors"
	"strings"
	"testing"
)

var errSeen = errors.New("it listens")

// TestServe starts a broker, or refuses to: beyond loopback above all, for it lets anybody in.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name string
		o    options
		want string
	}{
		{"loopback", options{Domain: "xmpp.test", Listen: "127.0.0.1:0", Dir: dir, Accounts: [][2]string{{"alice", "secret"}}, Clients: []string{"bob"}}, "it listens"},
		{"loopback of IPv6 or none", options{Domain: "xmpp.test", Listen: "localhost:0", Dir: dir}, "it listens"},
		{"every address", options{Domain: "xmpp.test", Listen: ":0", Dir: dir}, "lets anybody in"},
		{"no folder", options{Domain: "xmpp.test", Listen: "127.0.0.1:0"}, "--dir"},
		{"no domain", options{Listen: "127.0.0.1:0", Dir: dir}, "is not a DNS name"},
		{"a bad name", options{Domain: "xmpp.test", Listen: "127.0.0.1:0", Dir: dir, Accounts: [][2]string{{"a b", "secret"}}}, `account "a b"`},
		{"an empty password", options{Domain: "xmpp.test", Listen: "127.0.0.1:0", Dir: dir, Accounts: [][2]string{{"alice", ""}}}, `account "alice"`},
	} {
		err := serve(context.Background(), tt.o, func(r ready) error {
			if !strings.HasPrefix(r.Address, "127.0.0.1:") && !strings.HasPrefix(r.Address, "[::1]:") || r.Domain != "xmpp.test" {
				t.Errorf("%s: it says %+v", tt.name, r)
			}
			return errSeen
		})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

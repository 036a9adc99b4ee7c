package site

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"busbar.example/secure/e2e"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
)

func TestHints(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"nothing is known", errors.New("x"), ""},
		{"our own", fmt.Errorf("y: %w", Hint(errors.New("x"), "do this")), "do this"},
		{"nobody listens", fmt.Errorf("x: %w", &xmpp.NegotiationError{Err: syscall.ECONNREFUSED, Hint: "of the step"}), "busbar broker"},
		{"a step of setting up", &xmpp.NegotiationError{Err: errors.New("x"), Hint: "of the step"}, "of the step"},
		{"a certificate", &xmpp.NegotiationError{Err: &pki.VerifyError{Hint: "of the certificate"}, Hint: "of the step"}, "of the certificate"},
		{"an IED of CBC alone", &e2e.SecRejected{Diagnostic: e2e.EncrModeAeaNotSupported}, "algorithm of CBC must be named first"},
		{"an IED of GCM alone", &e2e.SecRejected{Diagnostic: e2e.AeIsRequired}, "algorithm of GCM must be named first"},
		{"no algorithm in common", &e2e.SecRejected{Diagnostic: e2e.AeaAlgorithmsNotSupported}, "in common"},
		{"no answer", fmt.Errorf("x: %w", context.DeadlineExceeded), "does not answer"},
		{"another of this JID", fmt.Errorf("x: %w", &xmpp.StreamError{Condition: xmpp.Conflict, Remote: true}), "another process"},
		{"the broker ends", fmt.Errorf("x: %w", &xmpp.StreamError{Condition: xmpp.SystemShutdown, Remote: true}), "broker"},
		{"a connection that is lost", fmt.Errorf("x: %w", net.ErrClosed), "once it is back"},
		{"a network", &net.OpError{Op: "dial", Err: errors.New("x")}, "--connect"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := HintFor(c.err); !strings.Contains(got, c.want) || c.want == "" && got != "" {
				t.Errorf("hint for %v: %q, want %q", c.err, got, c.want)
			}
		})
	}
}

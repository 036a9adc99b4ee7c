package site

import (
	"context"
	"errors"
	"net"
	"syscall"

	"busbar.example/mms/assoc"
	"busbar.example/scsm/iso81"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/e2e"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
)

// hinted is an error with a hint on what to do.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// Hint adds to err what the user can do about it; the text of err stays as it is.
func Hint(err error, hint string) error { return &hinted{err, hint} }

// HintFor is what the user can do about err, or "".
func HintFor(err error) string {
	var (
		own         *hinted
		certificate *pki.VerifyError
		negotiation *xmpp.NegotiationError
		unreachable *xmpp82.UnreachableError
		refused     *e2e.SecRejected
		mode        *xmpp82.ModeError
		network     *net.OpError
		stream      *xmpp.StreamError
		overTCP     *iso81.RefusedError
	)
	switch {
	case errors.As(err, &own):
		return own.hint
	case errors.As(err, &certificate) && certificate.Hint != "":
		return certificate.Hint
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: is `busbar broker` running, and is the address right?"
	case errors.As(err, &negotiation) && negotiation.Hint != "":
		return negotiation.Hint
	case errors.As(err, &overTCP) && overTCP.Remote:
		return refusedHint(overTCP)
	case errors.Is(err, assoc.ErrNoRoom), errors.Is(err, xmpp82.ErrNoRoom):
		return "it serves as many clients as it may: end another, or try again once one has left"
	case errors.As(err, &unreachable):
		return "is it running? Start it with `busbar ied --jid " + unreachable.Peer.Bare().String() + " --scl FILE`"
	case errors.As(err, &mode):
		return modeHint(mode)
	case errors.As(err, &refused) && algorithmHint(refused.Diagnostic) != "":
		return algorithmHint(refused.Diagnostic) + ": choose with --e2e-algorithms, or with e2e: algorithms in " + FileName
	case errors.As(err, &refused):
		return "the peer's audit log says why: its trust roots, the certificate's validity and the clocks of both are what to look at"
	case errors.As(err, &stream) && stream.Condition == xmpp.Conflict:
		return "another process has logged in with this JID and resource: end one of the two"
	case errors.As(err, &stream) && stream.Remote && stream.Condition == xmpp.PolicyViolation:
		return "a limit of the broker is exceeded, most likely by a stanza larger than it takes: lift that limit there, or give smaller PDUs " +
			"with max_pdu in " + FileName + "; what was asked last may have been carried out"
	case errors.Is(err, assoc.ErrNoAnswer):
		return "whether the peer carried it out is unknown: read the value before trying again"
	case errors.Is(err, context.DeadlineExceeded):
		return "the other end does not answer: is it running, and does a firewall drop what is sent?"
	case errors.As(err, &stream), errors.Is(err, net.ErrClosed):
		return "the broker or the peer has ended it: see there why, and start again once it is back"
	case errors.As(err, &network):
		return "check the address given with --connect or in " + FileName
	}
	return ""
}

// algorithmHint says what is to be done about algorithms that the two ends do not share; "" where it is about something
// else. A handshake offers one kind of encryption only, that of the algorithm which is named first.
func algorithmHint(d e2e.HandshakeDiagnostics) string {
	switch d {
	case e2e.AeaAlgorithmsNotSupported, e2e.EncryptAlgorithmsNotSupported, e2e.IcvAlgorithmsNotSupported:
		return "the IED and this end must have an algorithm in common"
	case e2e.EncrModeAeaNotSupported:
		return "the IED has no GCM, the kind that is offered here: an algorithm of CBC must be named first"
	case e2e.AeIsRequired:
		return "the IED has no CBC, the kind that is offered here: an algorithm of GCM must be named first"
	}
	return ""
}

// modeHint says what to do about two ends that differ in their end-to-end security.
func modeHint(e *xmpp82.ModeError) string {
	for mode, word := range map[Mode]string{Encrypted: e2e.Encrypted.String(), Clear: e2e.Clear.String(), Off: string(Off)} {
		if e.Theirs == word {
			return "give --e2e " + string(mode) + " here, if that is what is wanted, or end it and start the IED with what is given here"
		}
	}
	return "give the same --e2e to the IED and here"
}

package iso81

import (
	"crypto/tls"

	"busbar.example/mms"
	"busbar.example/secure/rbac"
)

// Trace holds optional hooks that are told, layer by layer, what an association does. They run on whichever goroutine does the
// step, those of sending and of receiving at the same time: they must not block, nor call back into the Association. They are
// shown passwords nowhere.
type Trace struct {
	Connected    func(local, remote string) // TCP
	TLS          func(tls.ConnectionState)
	Transport    func(TransportInfo)    // COTP: CC was sent or received
	Session      func(SessionInfo)      // CONNECT was received, or was answered by ACCEPT
	Presentation func(PresentationInfo) // the same
	ACSE         func(ACSEInfo)         // the same
	Established  func(peer rbac.Subject)
	Carried      func(Carried)
	Ended        func(cause error) // cause is io.EOF after an orderly release
}

// TransportInfo is what a transport connection has agreed on.
type TransportInfo struct {
	Proposed, Agreed int    // octets of a TPDU; 0: not said
	Calling, Called  []byte // selectors, nil where none was given
	Local, Remote    uint16 // references
}

// SessionInfo is the peer's CONNECT or ACCEPT.
type SessionInfo struct {
	Version         int    // the highest
	Units           uint16 // functional units, bit 1 is duplex
	Calling, Called []byte // selectors; in ACCEPT, Called is the responding one
}

// PresentationInfo is what became of the presentation contexts.
type PresentationInfo struct {
	Contexts []Context
	Called   []byte // selector; in CPA, the responding one
}

// Context is one proposed presentation context.
type Context struct {
	ID       int
	Abstract string // object identifier
	Accepted bool
}

// ACSEInfo is the peer's AARQ, or its AARE.
type ACSEInfo struct {
	ApplicationContext string
	CallingAPTitle     string // of AARQ
	CallingAEQualifier string
	CalledAPTitle      string // of AARE: responding
	CalledAEQualifier  string
	Mechanism          string // of authentication, empty: none
	Result             string // of AARE: accepted, or why not
}

// Carried is a TSDU, and the PDU of MMS in it.
type Carried struct {
	Sent    bool
	SPDU    string // its name, such as DATA TRANSFER
	PDU     mms.PDU
	BER     []byte // of the PDU, valid during the call
	Packets int    // TPKTs that the TSDU takes
	TSDU    int    // octets
	Err     error  // why what was received is refused
}

var spduNames = map[byte]string{siData: "DATA TRANSFER", siNotFinished: "NOT FINISHED", siFinish: "FINISH", siDisconnect: "DISCONNECT", siRefuse: "REFUSE",
	siConnect: "CONNECT", siAccept: "ACCEPT", siOverflow: "CONNECT DATA OVERFLOW", siAbort: "ABORT", siAbortAccept: "ABORT ACCEPT"}

// spduName names the SPDU that a TSDU begins with.
func spduName(tsdu []byte) string {
	if len(tsdu) == 0 {
		return ""
	}
	return nameOf(spduNames, tsdu[0])
}

func (a *Association) traceConnected() {
	if t := a.cfg.Trace.Connected; t != nil {
		t(a.tcp.LocalAddr().String(), a.tcp.RemoteAddr().String())
	}
}

func (a *Association) traceTLS(cs tls.ConnectionState) {
	if t := a.cfg.Trace.TLS; t != nil {
		t(cs)
	}
}

func (a *Association) traceTransport(i TransportInfo) {
	if t := a.cfg.Trace.Transport; t != nil {
		t(i)
	}
}

// traceUpper tells what the machine has learned of the peer's CONNECT or its answer.
func (a *Association) traceUpper(i info) {
	t := a.cfg.Trace
	if i.session != nil && t.Session != nil {
		t.Session(*i.session)
	}
	if i.presentation != nil && t.Presentation != nil {
		t.Presentation(*i.presentation)
	}
	if i.acse != nil && t.ACSE != nil {
		t.ACSE(*i.acse)
	}
}

// traceSent tells of data that is about to be written, in its packets.
func (a *Association) traceSent(packets []byte, tsdu int, pdu mms.PDU) {
	if a.cfg.Trace.Carried == nil {
		return
	}
	octets, _ := mms.AppendBER(nil, pdu) // it had an encoding before
	a.cfg.Trace.Carried(Carried{Sent: true, SPDU: spduNames[siData], PDU: pdu, BER: octets, TSDU: tsdu, Packets: max(1, (tsdu+a.mostData-1)/a.mostData)})
}

// traceTSDU tells of another TSDU than data that is about to be written, and of the PDU in it, if there is one.
func (a *Association) traceTSDU(tsdu []byte, pdu mms.PDU, octets []byte) {
	if a.cfg.Trace.Carried != nil && len(tsdu) > 0 {
		a.cfg.Trace.Carried(Carried{Sent: true, SPDU: spduName(tsdu), PDU: pdu, BER: octets, TSDU: len(tsdu), Packets: max(1, (len(tsdu)+a.mostData-1)/a.mostData)})
	}
}

// traceReceived tells of a TSDU, and of the PDU in it, if there is one.
func (a *Association) traceReceived(tsdu []byte, pdu mms.PDU, octets []byte, err error) {
	if a.cfg.Trace.Carried != nil {
		a.cfg.Trace.Carried(Carried{SPDU: spduName(tsdu), PDU: pdu, BER: octets, TSDU: len(tsdu), Packets: a.in.packets, Err: err})
	}
}

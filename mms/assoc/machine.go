package assoc

import (
	"fmt"
	"net"

	"busbar.example/mms"
)

// state is where an association stands.
//
//	idle ──initiate──▶ initiating ──response──▶ established ──conclude──▶ concluding ──response──▶ ended
//	  └───request of the peer, answered──────────────▲  └──conclude of the peer, answered──────────▶ ended
//
// An initiate error leads from initiating or idle to ended; the end of the Link from everywhere.
type state uint8

const (
	idle state = iota
	initiating
	established
	concluding
	ended
)

var stateNames = [...]string{"idle", "initiating", "established", "concluding", "ended"}

func (s state) String() string { return stateNames[s] }

// machine holds the rules of one association. It is not safe for concurrent use.
type machine struct {
	cfg     Config
	state   state
	agreed  Parameters
	invoke  uint32                     // last invoke id used
	calls   map[uint32]*call           // ours, not answered
	serving map[uint32]mms.ServiceKind // the peer's, not answered
	answer  answer                     // that the last input was
}

// step is what an input leads to. At most one of request, answer, report and ended is set.
type step struct {
	send    mms.PDU               // to the peer
	request *mms.ConfirmedRequest // for the handler
	answer  *answer               // for the caller; valid until the next input
	report  *mms.InformationReport
	opened  bool  // the association is established
	ended   error // it is over: errConcluded, or why
}

// call is one of ours that is open. What is in it is for those who wait, but for kind.
type call struct {
	kind     mms.ServiceKind
	slot     chan struct{} // the one that it takes its place in
	answered chan answer
	alone    bool // nobody read when it began
}

// answer completes one of our calls.
type answer struct {
	call     *call
	response mms.ConfirmedServiceResponse
	err      error
}

func newMachine(cfg Config) *machine {
	return &machine{cfg: cfg, calls: make(map[uint32]*call), serving: make(map[uint32]mms.ServiceKind)}
}

func (m *machine) becomeInitiating() { m.state = initiating }
func (m *machine) becomeConcluding() { m.state = concluding }
func (m *machine) becomeEnded()      { m.state = ended }
func (m *machine) becomeEstablished(p Parameters) {
	m.state = established
	m.agreed = p
}

// initiate is the first PDU of the calling side.
func (m *machine) initiate() mms.PDU {
	m.becomeInitiating()
	return m.cfg.request()
}

// call assigns an invoke id. The caller has waited until fewer calls than agreed are outstanding.
func (m *machine) call(service mms.ConfirmedServiceRequest, c *call) (*mms.ConfirmedRequest, error) {
	if m.state != established {
		return nil, wrongState("call", m.state)
	}
	for {
		m.invoke++
		if _, taken := m.calls[m.invoke]; !taken {
			break
		}
	}
	c.kind = mms.RequestKind(service)
	m.calls[m.invoke] = c
	return &mms.ConfirmedRequest{InvokeID: m.invoke, Service: service}, nil
}

// forget drops a call whose request was never sent. It reports whether the call was open: a peer can answer what it has not
// been asked.
func (m *machine) forget(invokeID uint32) bool {
	_, open := m.calls[invokeID]
	delete(m.calls, invokeID)
	return open
}

// respond notes that a request of the peer is being answered. It reports false where the request is no longer open.
func (m *machine) respond(invokeID uint32) bool {
	_, open := m.serving[invokeID]
	delete(m.serving, invokeID)
	return open
}

// unconfirmed is the PDU that tells the peer something.
func (m *machine) unconfirmed(service mms.UnconfirmedService) (mms.PDU, error) {
	if m.state != established && m.state != concluding {
		return nil, wrongState("notify", m.state)
	}
	return &mms.Unconfirmed{Service: service}, nil
}

// conclude asks the peer to end in order. Calls that are outstanding must have been answered.
func (m *machine) conclude() (mms.PDU, error) {
	if m.state != established {
		return nil, wrongState("conclude", m.state)
	}
	m.becomeConcluding()
	return &mms.ConcludeRequest{}, nil
}

// input takes one PDU of the peer.
func (m *machine) input(pdu mms.PDU) step {
	switch p := pdu.(type) {
	case *mms.InitiateRequest:
		return m.inputInitiateRequest(p)
	case *mms.InitiateResponse:
		return m.inputInitiateResponse(p)
	case *mms.InitiateError:
		if m.state != initiating {
			return m.fault("initiate-ErrorPDU while %s", m.state)
		}
		m.becomeEnded()
		return step{ended: &InitiateError{Class: p.ErrorClass, Remote: true}}
	case *mms.ConfirmedRequest:
		return m.inputRequest(p)
	case *mms.ConfirmedResponse:
		return m.inputAnswer(p.InvokeID, p.Service, nil)
	case *mms.ConfirmedError:
		return m.inputAnswer(p.InvokeID, nil, &ServiceError{Class: p.ServiceError.ErrorClass, Remote: true})
	case *mms.Unconfirmed:
		return m.inputUnconfirmed(p)
	case *mms.Reject:
		return m.inputReject(p)
	case *mms.CancelRequest:
		return m.inputCancel(p.OriginalInvokeID)
	case *mms.ConcludeRequest:
		return m.inputConclude()
	case *mms.ConcludeResponse:
		if m.state != concluding {
			return m.fault("conclude-ResponsePDU while %s", m.state)
		}
		m.becomeEnded()
		return step{ended: errConcluded}
	case *mms.ConcludeError:
		if m.state != concluding {
			return m.fault("conclude-ErrorPDU while %s", m.state)
		}
		m.becomeEnded()
		return step{ended: &ServiceError{Class: p.ErrorClass, Remote: true}}
	}
	return m.fault("%T is not expected", pdu)
}

func (m *machine) fault(format string, args ...any) step {
	m.becomeEnded()
	return step{ended: protocolError(format, args...)}
}

func (m *machine) inputInitiateRequest(p *mms.InitiateRequest) step {
	if m.state != idle {
		return m.fault("a second initiate while %s", m.state)
	}
	agreed, refusal := m.cfg.agree(p)
	if refusal != nil {
		m.becomeEnded()
		return step{send: &mms.InitiateError{ServiceError: mms.ServiceError{ErrorClass: refusal.Class}}, ended: refusal}
	}
	m.becomeEstablished(agreed)
	return step{send: m.cfg.response(agreed), opened: true}
}

func (m *machine) inputInitiateResponse(p *mms.InitiateResponse) step {
	if m.state != initiating {
		return m.fault("initiate-ResponsePDU while %s", m.state)
	}
	agreed, err := m.cfg.accept(p)
	if err != nil {
		m.becomeEnded()
		return step{ended: err}
	}
	m.becomeEstablished(agreed)
	return step{opened: true}
}

func (m *machine) inputRequest(p *mms.ConfirmedRequest) step {
	if m.state != established && m.state != concluding {
		return m.fault("a request while %s", m.state)
	}
	if _, open := m.serving[p.InvokeID]; open {
		return step{send: rejectRequest(p.InvokeID, mms.RejectInvalidInvokeID)}
	}
	if len(m.serving) >= m.agreed.Theirs {
		return step{send: rejectRequest(p.InvokeID, mms.RejectMaxServOutstandingExceeded)}
	}
	m.serving[p.InvokeID] = mms.RequestKind(p.Service)
	return step{request: p}
}

func (m *machine) inputAnswer(invokeID uint32, response mms.ConfirmedServiceResponse, err error) step {
	if m.state != established && m.state != concluding {
		return m.fault("a response while %s", m.state)
	}
	c, ours := m.calls[invokeID]
	if !ours {
		return m.fault("a response to invokeID %d, which is not outstanding", invokeID)
	}
	if err == nil && mms.ResponseKind(response) != c.kind {
		return m.fault("a %v response to the %v request with invokeID %d", mms.ResponseKind(response), c.kind, invokeID)
	}
	delete(m.calls, invokeID)
	return m.answered(answer{call: c, response: response, err: err})
}

func (m *machine) answered(a answer) step {
	m.answer = a
	return step{answer: &m.answer}
}

func (m *machine) inputUnconfirmed(p *mms.Unconfirmed) step {
	if m.state != established && m.state != concluding {
		return m.fault("unconfirmed-PDU while %s", m.state)
	}
	report, _ := p.Service.(*mms.InformationReport)
	return step{report: report}
}

func (m *machine) inputReject(p *mms.Reject) step {
	if p.OriginalInvokeID != nil {
		if c, ours := m.calls[*p.OriginalInvokeID]; ours {
			delete(m.calls, *p.OriginalInvokeID)
			return m.answered(answer{call: c, err: &RejectError{Reason: p.RejectReason}})
		}
	}
	m.becomeEnded()
	return step{ended: &RejectError{Reason: p.RejectReason}}
}

// inputCancel declines: what waits here is soon done, and what is being done is not stopped halfway.
//
// ISO 9506-1, Cancel.
func (m *machine) inputCancel(invokeID uint32) step {
	if m.state != established && m.state != concluding {
		return m.fault("cancel-RequestPDU while %s", m.state)
	}
	reason := mms.CancelInvokeIDUnknown
	if _, open := m.serving[invokeID]; open {
		reason = mms.CancelCancelNotPossible
	}
	return step{send: &mms.CancelError{OriginalInvokeID: invokeID, ServiceError: mms.ServiceError{ErrorClass: reason}}}
}

func (m *machine) inputConclude() step {
	if m.state != established {
		return m.fault("conclude-RequestPDU while %s", m.state)
	}
	m.becomeEnded()
	return step{send: &mms.ConcludeResponse{}, ended: errConcluded}
}

func wrongState(what string, s state) error {
	return fmt.Errorf("%s: the association is %s: %w", what, s, net.ErrClosed)
}

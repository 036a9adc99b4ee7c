package assoc

import (
	"context"
	"fmt"

	"busbar.example/mms"
)

// Handler answers one confirmed request of the peer.
type Handler func(ctx context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error)

// Config says what this side offers and who serves the peer's requests. The zero Config offers the
// defaults below and serves nothing. It is copied on entry.
type Config struct {
	MaxPDU      int // largest PDU that we take, in octets; default 65000, at least MinPDU
	Outstanding int // calls open at once in each direction; default 16, at most 32767
	Nesting     int // levels of nested data that we take; default 10, at least 5
	LeastPDU    int // least PDU that the peer must take, in octets; default and most MinPDU, at least 64

	Lenient Lenient // what is taken of peers that do not keep to the rules; default nothing

	Services mms.ServiceSupportOptions // what Handler serves, announced to the peer

	// Handler is called for one request at a time, in order of arrival, on a goroutine of the
	// association's own, mostly the one that reads; its context ends with the association. While it waits in Call, with that context,
	// for the peer to answer, the next request is handled: a place among the calls is kept for it. An error that is a *ServiceError, or wraps
	// ErrUnrecognizedService, is told to the peer; of any other the peer hears only that the service
	// could not be done, and Fault is called with it.
	Handler Handler

	// Notified is told what the peer reports, in the order in which it comes, answers to calls included: a report that
	// came before an answer is handed over before the call returns. It runs on the goroutine that reads, which may be that
	// of a Call: it must not block, nor call the peer. Where nobody calls, nobody may read for two milliseconds. nil drops
	// reports.
	Notified func(*mms.InformationReport)

	// Fault hears of faults that the peer is not told of; nil drops them.
	Fault func(error)
}

// MinPDU is the PDU size, in octets, that every end of IEC 61850-8-2 takes. In IEC 61850-8-1 there is no such number, and
// old devices take a few hundred octets: see Config.LeastPDU.
const MinPDU = 8192

// Lenient names what real devices do in Initiate and Conclude although the standards do not allow it. The zero
// Lenient takes none of it.
type Lenient struct {
	FewBlocks      bool // the peer has less than structures, arrays, alternate access and named variable lists: what it has is agreed on
	LowNesting     bool // the peer takes less than five levels of nested data
	NoCalls        bool // the peer proposes, or grants, no call at once: one is agreed on
	RaisedNumbers  bool // the peer answers with more than was proposed: what was proposed counts
	SilentConclude bool // the peer ends the connection in place of an answer to Conclude
}

// Tolerant is all leniencies together.
func Tolerant() Lenient {
	return Lenient{FewBlocks: true, LowNesting: true, NoCalls: true, RaisedNumbers: true, SilentConclude: true}
}

const (
	leastPDU           = 64 // in which an error fits
	defaultMaxPDU      = 65000
	defaultOutstanding = 16
	maxOutstanding     = 32767
	defaultNesting     = 10
	minNesting         = 5
	version            = 1
)

// parameterCBB is what the services that we speak need. IEC 61850-8-1, Table "Conformance building blocks".
const parameterCBB = mms.ParamSTR1 | mms.ParamSTR2 | mms.ParamVNAM | mms.ParamVALT | mms.ParamVLIS

// leastCBB is that without which nothing can be read.
const leastCBB = mms.ParamVNAM

// Parameters is what both ends agreed on.
//
// ISO 9506-2, Initiate.
type Parameters struct {
	MaxPDU   int                         // octets of a PDU, in either direction
	Ours     int                         // calls that we may have open at once
	Theirs   int                         // calls that the peer may have open at once
	Nesting  int                         // levels of nested data
	Services mms.ServiceSupportOptions   // what the peer serves
	CBB      mms.ParameterSupportOptions // what both ends have of what we propose
}

func (c Config) withDefaults() (Config, error) {
	for _, f := range []struct {
		name          string
		v             *int
		preset, least int
		most          int
	}{
		{"MaxPDU", &c.MaxPDU, defaultMaxPDU, MinPDU, 1 << 30},
		{"Outstanding", &c.Outstanding, defaultOutstanding, 1, maxOutstanding},
		{"Nesting", &c.Nesting, defaultNesting, minNesting, 127},
		{"LeastPDU", &c.LeastPDU, MinPDU, leastPDU, MinPDU},
	} {
		if *f.v == 0 {
			*f.v = f.preset
		}
		if *f.v < f.least || *f.v > f.most {
			return c, fmt.Errorf("association: %s is %d, outside %d to %d", f.name, *f.v, f.least, f.most)
		}
	}
	if c.Fault == nil {
		c.Fault = func(error) {}
	}
	return c, nil
}

// request is what we propose as the side that asks.
func (c Config) request() *mms.InitiateRequest {
	detail, nesting := int32(c.MaxPDU), int8(c.Nesting)
	return &mms.InitiateRequest{
		LocalDetailCalling:                &detail,
		ProposedMaxServOutstandingCalling: int16(c.Outstanding),
		ProposedMaxServOutstandingCalled:  int16(c.Outstanding),
		ProposedDataStructureNestingLevel: &nesting,
		InitRequestDetail: mms.InitRequestDetail{
			ProposedVersionNumber:    version,
			ProposedParameterCBB:     parameterCBB,
			ServicesSupportedCalling: c.Services,
		},
	}
}

// agree settles a proposal of the peer: each number is the smaller of both ends'.
func (c Config) agree(p *mms.InitiateRequest) (Parameters, *InitiateError) {
	d := p.InitRequestDetail
	agreed := Parameters{
		MaxPDU:   c.MaxPDU,
		Ours:     min(c.Outstanding, int(p.ProposedMaxServOutstandingCalled)),
		Theirs:   min(c.Outstanding, int(p.ProposedMaxServOutstandingCalling)),
		Nesting:  c.Nesting,
		Services: d.ServicesSupportedCalling,
		CBB:      parameterCBB & d.ProposedParameterCBB,
	}
	if p.LocalDetailCalling != nil {
		agreed.MaxPDU = min(agreed.MaxPDU, int(*p.LocalDetailCalling))
	}
	if p.ProposedDataStructureNestingLevel != nil {
		agreed.Nesting = min(agreed.Nesting, int(*p.ProposedDataStructureNestingLevel))
	}
	if c.Lenient.NoCalls && agreed.Theirs == 0 {
		agreed.Theirs = 1
	}
	blocks, nesting := c.least()
	switch {
	case d.ProposedVersionNumber < version:
		return Parameters{}, &InitiateError{Class: mms.InitiateVersionIncompatible}
	case agreed.CBB&blocks != blocks:
		return Parameters{}, &InitiateError{Class: mms.InitiateParameterCBBInsufficient}
	case agreed.MaxPDU < c.LeastPDU:
		return Parameters{}, &InitiateError{Class: mms.InitiateMaxSegmentInsufficient}
	case agreed.Theirs < 1:
		return Parameters{}, &InitiateError{Class: mms.InitiateMaxServicesOutstandingCallingInsufficient}
	case agreed.Ours < 0:
		return Parameters{}, &InitiateError{Class: mms.InitiateMaxServicesOutstandingCalledInsufficient}
	case agreed.Nesting < nesting:
		return Parameters{}, &InitiateError{Class: mms.InitiateNestingLevelInsufficient}
	}
	return agreed, nil
}

// least is what the peer must have.
func (c Config) least() (blocks mms.ParameterSupportOptions, nesting int) {
	blocks, nesting = parameterCBB, minNesting
	if c.Lenient.FewBlocks {
		blocks = leastCBB
	}
	if c.Lenient.LowNesting {
		nesting = 0
	}
	return blocks, nesting
}

// response tells the peer what has been agreed.
func (c Config) response(agreed Parameters) *mms.InitiateResponse {
	detail, nesting := int32(agreed.MaxPDU), int8(agreed.Nesting)
	return &mms.InitiateResponse{
		LocalDetailCalled:                   &detail,
		NegotiatedMaxServOutstandingCalling: int16(agreed.Theirs),
		NegotiatedMaxServOutstandingCalled:  int16(agreed.Ours),
		NegotiatedDataStructureNestingLevel: &nesting,
		InitResponseDetail: mms.InitResponseDetail{
			NegotiatedVersionNumber: version,
			NegotiatedParameterCBB:  agreed.CBB,
			ServicesSupportedCalled: c.Services,
		},
	}
}

// accept holds the peer's answer against what we proposed: it may lower a number and not raise it.
func (c Config) accept(p *mms.InitiateResponse) (Parameters, error) {
	d := p.InitResponseDetail
	agreed := Parameters{
		MaxPDU:   c.MaxPDU,
		Ours:     int(p.NegotiatedMaxServOutstandingCalling),
		Theirs:   int(p.NegotiatedMaxServOutstandingCalled),
		Nesting:  c.Nesting,
		Services: d.ServicesSupportedCalled,
		CBB:      parameterCBB & d.NegotiatedParameterCBB,
	}
	if p.LocalDetailCalled != nil {
		agreed.MaxPDU = int(*p.LocalDetailCalled)
	}
	if p.NegotiatedDataStructureNestingLevel != nil {
		agreed.Nesting = int(*p.NegotiatedDataStructureNestingLevel)
	}
	if c.Lenient.NoCalls && agreed.Ours == 0 {
		agreed.Ours = 1
	}
	negotiated := int(d.NegotiatedVersionNumber)
	_, nesting := c.least()
	for _, f := range []struct {
		name         string
		got          *int
		least, offer int
	}{
		{"PDU size", &agreed.MaxPDU, c.LeastPDU, c.MaxPDU},
		{"number of outstanding calls (calling)", &agreed.Ours, 1, c.Outstanding},
		{"number of outstanding calls (called)", &agreed.Theirs, 0, c.Outstanding},
		{"nesting level", &agreed.Nesting, nesting, c.Nesting},
		{"version", &negotiated, version, version},
	} {
		if c.Lenient.RaisedNumbers {
			*f.got = min(*f.got, f.offer)
		}
		if *f.got < f.least || *f.got > f.offer {
			return Parameters{}, protocolError("its answer to initiate gives the %s as %d, outside %d to %d", f.name, *f.got, f.least, f.offer)
		}
	}
	return agreed, nil
}

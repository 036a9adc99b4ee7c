package mms

import (
	"busbar.example/internal/asn1"
	"busbar.example/internal/asn1/ber"
)

// RejectionBER tells what to answer to a PDU that DecodeBER refuses, and whether the association may go on: it ends where
// nobody knows any more which calls are open. The answer is nil to what is not answered. An unconfirmed PDU is
// passed over.
//
// ISO 9506-2, RejectPDU.
func RejectionBER(b []byte, l Limits) (answer *Reject, goOn bool) {
	invalid := &Reject{RejectReason: PDUErrorInvalidPDU}
	b, err := ber.Definite(b, l)
	if err != nil {
		return invalid, true
	}
	tag, content, _, err := ber.Split(b)
	if err != nil {
		return invalid, true
	}
	const constructed, primitive = asn1.Context | asn1.Constructed, asn1.Context
	switch tag {
	case constructed: // [0]
		return rejectRequest(content, invalid), true
	case constructed | 3:
		return nil, true
	case primitive | 5:
		return &Reject{RejectReason: RejectCancelRequestOther}, true
	case primitive | 11:
		return &Reject{RejectReason: RejectConcludeRequestInvalidArgument}, true
	case constructed | 1, constructed | 2, constructed | 4, primitive | 6, constructed | 7, constructed | 8, constructed | 9,
		constructed | 10, primitive | 12, constructed | 13:
		return nil, false
	}
	return &Reject{RejectReason: PDUErrorUnknownPDUType}, true
}

// rejectRequest is the answer to a confirmed request, of which content is the content.
func rejectRequest(content []byte, invalid *Reject) *Reject {
	tag, number, rest, err := ber.Split(content)
	if err != nil || tag != 2 || len(number) > 5 {
		return invalid
	}
	var id uint64
	for _, o := range number {
		id = id<<8 | uint64(o)
	}
	if len(number) == 0 || id >= 1<<32 || number[0]&0x80 != 0 {
		return invalid
	}
	invokeID := uint32(id)
	reason := RejectInvalidArgument
	switch tag, _, _, err = ber.Split(rest); {
	case err != nil:
	case tag == 16|asn1.Constructed:
		reason = RejectUnrecognizedModifier
	case !requestType.Starts(tag):
		reason = RejectUnrecognizedService
	}
	return &Reject{OriginalInvokeID: &invokeID, RejectReason: reason}
}

var requestType = asn1.Compile[ConfirmedServiceRequest](module)

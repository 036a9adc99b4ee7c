package xmpp82

import (
	"fmt"

	"busbar.example/mms"
	"busbar.example/xmpp/stanza"
)

// carriage is the kind and type of the stanza that carries a PDU.
type carriage struct {
	kind stanza.Kind
	typ  stanza.Type
}

func (c carriage) String() string { return fmt.Sprintf("%v type=%v", c.kind, c.typ) }

var (
	iqGet    = carriage{stanza.IQ, stanza.Get}
	iqSet    = carriage{stanza.IQ, stanza.Set}
	iqResult = carriage{stanza.IQ, stanza.Result}
	message  = carriage{stanza.Message, stanza.Normal}
)

// carriageOf tells which stanza carries a PDU.
//
// IEC 61850-8-2, Table "Mapping of MMS PDUs to XMPP stanzas".
func carriageOf(pdu mms.PDU) carriage {
	switch p := pdu.(type) {
	case *mms.ConfirmedRequest:
		switch p.Service.(type) {
		case *mms.WriteRequest, *mms.DefineNamedVariableListRequest, *mms.DeleteNamedVariableListRequest,
			*mms.FileOpenRequest, *mms.FileCloseRequest, *mms.FileDeleteRequest:
			return iqSet
		}
		return iqGet
	case *mms.CancelRequest:
		return iqGet
	case *mms.InitiateRequest, *mms.ConcludeRequest:
		return iqSet
	case *mms.Unconfirmed, *mms.Reject:
		return message
	}
	return iqResult
}

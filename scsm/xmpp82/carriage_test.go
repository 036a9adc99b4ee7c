package xmpp82

import (
	"testing"

	"busbar.example/mms"
)

// IEC 61850-8-2, Table "Mapping of MMS PDUs to XMPP stanzas".
func TestCarriageOfEachPDU(t *testing.T) {
	for _, tc := range []struct {
		pdu  mms.PDU
		want carriage
	}{
		{&mms.InitiateRequest{}, iqSet},
		{&mms.InitiateResponse{}, iqResult},
		{&mms.InitiateError{}, iqResult},
		{&mms.ConfirmedRequest{Service: &mms.GetNameListRequest{}}, iqGet},
		{&mms.ConfirmedRequest{Service: &mms.ReadRequest{}}, iqGet},
		{&mms.ConfirmedRequest{Service: &mms.GetVariableAccessAttributesRequest{}}, iqGet},
		{&mms.ConfirmedRequest{Service: &mms.ExtendedGetNameListRequest{}}, iqGet},
		{&mms.ConfirmedRequest{Service: &mms.GetNamedVariableListAttributesRequest{}}, iqGet},
		{&mms.ConfirmedRequest{Service: &mms.ReadJournalRequest{}}, iqGet},
		{&mms.ConfirmedRequest{Service: &mms.FileReadRequest{}}, iqGet},
		{&mms.ConfirmedRequest{Service: &mms.FileDirectoryRequest{}}, iqGet},
		{&mms.ConfirmedRequest{Service: &mms.ObtainFileRequest{}}, iqGet},
		{&mms.ConfirmedRequest{Service: &mms.WriteRequest{}}, iqSet},
		{&mms.ConfirmedRequest{Service: &mms.DefineNamedVariableListRequest{}}, iqSet},
		{&mms.ConfirmedRequest{Service: &mms.DeleteNamedVariableListRequest{}}, iqSet},
		{&mms.ConfirmedRequest{Service: &mms.FileOpenRequest{}}, iqSet},
		{&mms.ConfirmedRequest{Service: &mms.FileCloseRequest{}}, iqSet},
		{&mms.ConfirmedRequest{Service: &mms.FileDeleteRequest{}}, iqSet},
		{&mms.ConfirmedResponse{Service: &mms.ReadResponse{}}, iqResult},
		{&mms.ConfirmedResponse{Service: &mms.WriteResponse{}}, iqResult},
		{&mms.ConfirmedError{}, iqResult},
		{&mms.Unconfirmed{Service: &mms.InformationReport{}}, message},
		{&mms.Reject{}, message},
		{&mms.CancelRequest{}, iqGet},
		{&mms.CancelResponse{}, iqResult},
		{&mms.CancelError{}, iqResult},
		{&mms.ConcludeRequest{}, iqSet},
		{&mms.ConcludeResponse{}, iqResult},
		{&mms.ConcludeError{}, iqResult},
	} {
		if got := carriageOf(tc.pdu); got != tc.want {
			t.Errorf("%T %+v is carried by %v, want %v", tc.pdu, tc.pdu, got, tc.want)
		}
	}
}

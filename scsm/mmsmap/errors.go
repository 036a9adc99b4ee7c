package mmsmap

import (
	"errors"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
)

// dataAccessError is the outcome of one object as MMS says it. Anything but an *acsi.Error is a fault of
// ours: the peer hears of hardware, fault hears of the rest.
func dataAccessError(err error) (code mms.DataAccessError, fault error) {
	var e *acsi.Error
	if errors.As(err, &e) {
		return mms.DataAccessError(e.Code), nil // the codes have the numbers of the mapping
	}
	return mms.HardwareFault, err
}

// accessError is the reverse: what the peer said of one object.
func accessError(code mms.DataAccessError) *acsi.Error {
	if code < 0 || code > mms.ObjectValueInvalid {
		return &acsi.Error{Code: acsi.HardwareFault, Remote: true, Text: "the peer gives a reason without a name: " + code.String()}
	}
	return &acsi.Error{Code: acsi.Code(code), Remote: true}
}

// serviceError is the outcome of a whole service as MMS says it.
//
// IEC 61850-8-1, Table "Mapping of ACSI service errors".
func serviceError(err error) error {
	var e *acsi.Error
	if !errors.As(err, &e) {
		return err
	}
	class := mms.ErrorClass(mms.AccessOther)
	switch e.Code {
	case acsi.ObjectNonExistent, acsi.ObjectUndefined:
		class = mms.AccessObjectNonExistent
	case acsi.ObjectAccessDenied:
		class = mms.AccessObjectAccessDenied
	case acsi.ObjectInvalidated:
		class = mms.AccessObjectInvalidated
	case acsi.ObjectAccessUnsupported, acsi.TypeUnsupported:
		class = mms.AccessObjectAccessUnsupported
	case acsi.TypeInconsistent:
		class = mms.DefinitionTypeInconsistent
	case acsi.ObjectAttributeInconsistent:
		class = mms.DefinitionObjectAttributeInconsistent
	case acsi.InvalidAddress:
		class = mms.DefinitionInvalidAddress
	case acsi.TemporarilyUnavailable:
		class = mms.ServiceObjectStateConflict
	case acsi.HardwareFault:
		class = mms.VMDStateOperationalProblem
	}
	return &assoc.ServiceError{Class: class}
}

// answerError is the reverse: what a call that failed means in ACSI. Where no answer came it stays as it is.
func answerError(err error) error {
	var e *assoc.ServiceError
	if !errors.As(err, &e) {
		return err
	}
	code, known := acsi.HardwareFault, true
	switch e.Class {
	case mms.AccessObjectNonExistent, mms.DefinitionObjectUndefined:
		code = acsi.ObjectNonExistent
	case mms.AccessObjectAccessDenied:
		code = acsi.ObjectAccessDenied
	case mms.AccessObjectInvalidated:
		code = acsi.ObjectInvalidated
	case mms.AccessObjectAccessUnsupported:
		code = acsi.ObjectAccessUnsupported
	case mms.DefinitionTypeUnsupported:
		code = acsi.TypeUnsupported
	case mms.DefinitionTypeInconsistent:
		code = acsi.TypeInconsistent
	case mms.DefinitionObjectAttributeInconsistent:
		code = acsi.ObjectAttributeInconsistent
	case mms.DefinitionInvalidAddress:
		code = acsi.InvalidAddress
	case mms.ServiceObjectStateConflict:
		code = acsi.TemporarilyUnavailable
	default:
		known = e.Class == mms.ErrorClass(mms.VMDStateOperationalProblem)
	}
	out := &acsi.Error{Code: code, Remote: true}
	if !known {
		out.Text = "the peer answers with service error " + e.Class.String()
	}
	return out
}

// tooLarge reports whether a call failed because its request or its answer was over the agreed PDU size.
func tooLarge(err error) bool {
	var size *assoc.SizeError
	return errors.As(err, &size) || errors.Is(err, &assoc.ServiceError{Class: mms.ServicePDUSize})
}

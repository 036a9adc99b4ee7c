package mmsmap

import (
	"errors"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
)

// dataAccessError is the outcome of one object as MMS says it. Anything but an *acsi.Error is a fault of
// ours: the peer hears of hardware, fault is the rest.
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

// serviceErrors pairs the outcomes of a whole service in ACSI and in MMS.
//
// IEC 61850-8-1, Table "Mapping of ACSI service errors".
var serviceErrors = []struct {
	code  acsi.Code
	class mms.ErrorClass
}{
	{acsi.ObjectNonExistent, mms.AccessObjectNonExistent},
	{acsi.ObjectAccessDenied, mms.AccessObjectAccessDenied},
	{acsi.ObjectAccessUnsupported, mms.AccessObjectAccessUnsupported},
	{acsi.ObjectInvalidated, mms.AccessObjectInvalidated},
	{acsi.ObjectUndefined, mms.DefinitionObjectUndefined},
	{acsi.InvalidAddress, mms.DefinitionInvalidAddress},
	{acsi.TypeUnsupported, mms.DefinitionTypeUnsupported},
	{acsi.TypeInconsistent, mms.DefinitionTypeInconsistent},
	{acsi.ObjectAttributeInconsistent, mms.DefinitionObjectAttributeInconsistent},
	{acsi.TemporarilyUnavailable, mms.ServiceObjectStateConflict},
	{acsi.HardwareFault, mms.VMDStateOperationalProblem},
	{acsi.ObjectValueInvalid, mms.DefinitionObjectAttributeInconsistent}, // and back as the code above that has this class
}

// serviceError is the outcome of a whole service as MMS says it. Anything but an *acsi.Error stays as it is: a
// fault of ours, which the association keeps from the peer.
func serviceError(err error) error {
	var e *acsi.Error
	if !errors.As(err, &e) {
		return err
	}
	for _, pair := range serviceErrors {
		if pair.code == e.Code {
			return &assoc.ServiceError{Class: pair.class}
		}
	}
	return err
}

// answerError is the reverse: what a call that failed means in ACSI. Where no answer came it stays as it is.
func answerError(err error) error {
	var e *assoc.ServiceError
	if !errors.As(err, &e) {
		return err
	}
	for _, pair := range serviceErrors {
		if pair.class == e.Class {
			return &acsi.Error{Code: pair.code, Remote: true}
		}
	}
	return &acsi.Error{Code: acsi.HardwareFault, Remote: true, Text: e.Error()}
}

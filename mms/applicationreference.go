package mms

import "busbar.example/internal/asn1"

// ApplicationReference names an application, as ACSE does. Distinguished names are not supported: a reference with one is
// a syntax error.
//
// ISO 9506-2, ApplicationReference; ITU-T X.227, 9.1.
type ApplicationReference struct {
	APTitle        APTitle     `asn:"ap-title [0] OPTIONAL"`
	APInvocationID *int32      `asn:"ap-invocation-id [1] EXPLICIT OPTIONAL"`
	AEQualifier    AEQualifier `asn:"ae-qualifier [2] OPTIONAL"`
	AEInvocationID *int32      `asn:"ae-invocation-id [3] EXPLICIT OPTIONAL"`
}

// APTitle is APTitleForm2, or nil for none.
type APTitle interface{ apTitle() }

// APTitleForm2 is the name of an application process: an object identifier, dotted decimal.
type APTitleForm2 string

// AEQualifier is AEQualifierForm2, or nil for none.
type AEQualifier interface{ aeQualifier() }

// AEQualifierForm2 is the number of an application entity.
type AEQualifierForm2 int32

func (APTitleForm2) apTitle()         {}
func (AEQualifierForm2) aeQualifier() {}

var (
	apTitleDecl     = asn1.Choice[APTitle]("AP-title", asn1.Alt[APTitleForm2]("ap-title-form2 OBJECT IDENTIFIER"))
	aeQualifierDecl = asn1.Choice[AEQualifier]("AE-qualifier", asn1.Alt[AEQualifierForm2]("ae-qualifier-form2"))
)

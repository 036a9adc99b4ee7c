package mms

import "busbar.example/internal/asn1"

// InformationReport tells the values of variables, unasked: one result for each, in the order of the specification. In
// IEC 61850 it is a report, the end of a command, or what went wrong with one.
//
// ISO 9506-2, InformationReport.
type InformationReport struct {
	VariableAccessSpecification VariableAccessSpecification `asn:"variableAccessSpecification"`
	ListOfAccessResult          []AccessResult              `asn:"listOfAccessResult [0]"`
}

// ReportName is the list that every report is said to be.
//
// IEC 61850-8-1, Report.
const ReportName = VMDSpecific("RPT")

var reportList VariableAccessSpecification = VariableListName{Name: ReportName}

// Unconfirmed tells something that is not answered.
//
// ISO 9506-2, Unconfirmed-PDU.
type Unconfirmed struct {
	Service UnconfirmedService `asn:"ALIAS service"`
}

// UnconfirmedService is *InformationReport: IEC 61850 does not use the other alternatives of ISO 9506-2.
//
// ISO 9506-2, UnconfirmedService.
type UnconfirmedService interface{ unconfirmed() }

func (*InformationReport) unconfirmed() {}

var unconfirmedServiceDecl = asn1.Choice[UnconfirmedService]("UnconfirmedService",
	asn1.Alt[*InformationReport]("informationReport [0]"),
)

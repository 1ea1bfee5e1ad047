// SPDX-License-Identifier: GPL-2.0-or-later
//! The schema of what is published, made from the types that are written.

use schemars::generate::SchemaSettings;

use super::Triage;

/// The JSON schema (draft 2020-12) of one input's object, as the file `docs/triage.schema.json`.
pub fn schema() -> String {
    let schema = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Triage>();
    format!("{:#}\n", schema.to_value())
}

{{- define "bridge.name" -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end -}}

{{- define "bridge.selector" -}}
app.kubernetes.io/name: scim-bridge
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "bridge.labels" -}}
{{ include "bridge.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "bridge.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "bridge.environment" -}}
- name: SCIM_BRIDGE_PUBLIC_URL
  value: {{ .Values.publicUrl | quote }}
- name: SCIM_BRIDGE_LOG_FORMAT
  value: json
- name: SCIM_BRIDGE_SECRET_KEY_FILE
  value: /run/secrets/scim-bridge/secret_key
- name: SCIM_BRIDGE_DATABASE_URL_FILE
  value: /run/secrets/scim-bridge/database_url
{{- range $name, $value := .Values.settings }}
- name: SCIM_BRIDGE_{{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "bridge.volumes" -}}
- name: secrets
  secret:
    secretName: {{ .Values.existingSecret }}
    defaultMode: 0440
    items:
      - key: {{ .Values.secretKeys.secretKey }}
        path: secret_key
      - key: {{ .Values.secretKeys.databaseUrl }}
        path: database_url
- name: tmp
  emptyDir: {}
{{- end -}}

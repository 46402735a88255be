/// <reference types="vite/client" />

interface ImportMetaEnv {
  readonly VITE_HEADWATER_URL: string;
  readonly VITE_APP_ID: string;
  readonly VITE_IDENTITY_POOL_ID: string;
  readonly VITE_REGION: string;
  readonly VITE_ISSUER_URL: string;
}

export { en as de } from '@/i18n/en';
